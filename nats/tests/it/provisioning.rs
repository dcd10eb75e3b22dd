//! Making a region's streams, and learning what they say.

use dunlin_nats::{Connection, ProvisionError, Provisioned, SettingsError, provision, region_settings};
use dunlin_schema::{RegionName, stream::RegionSettings};

use crate::support::{Server, region, settings};

#[tokio::test]
async fn a_second_start_changes_nothing() {
    let server = Server::start();
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    let wanted = RegionSettings { shards: 2, sync_always: true, ..settings() };
    assert_eq!(provision(&connection, &wanted).await.unwrap(), Provisioned::Created);
    assert_eq!(provision(&connection, &wanted).await.unwrap(), Provisioned::Unchanged);
    assert_eq!(region_settings(&connection).await.unwrap(), wanted);
}

#[tokio::test]
async fn two_at_once_do_no_harm() {
    let server = Server::start();
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    let wanted = settings();
    let (one, other) = tokio::join!(provision(&connection, &wanted), provision(&connection, &wanted));
    one.unwrap();
    other.unwrap();
}

#[tokio::test]
async fn another_server_id_is_no_difference() {
    let mut server = Server::start();
    server.provisioned().await;
    server.restart();
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    assert_eq!(provision(&connection, &settings()).await.unwrap(), Provisioned::Unchanged);
}

#[tokio::test]
async fn every_difference_is_explained_and_none_is_forced() {
    let server = Server::start();
    let connection = server.provisioned().await;
    for (wanted, name, values) in [
        (RegionSettings { shards: 4, ..settings() }, "shards", ["1", "4"]),
        (RegionSettings { sync_always: true, ..settings() }, "sync", ["interval", "always"]),
        (RegionSettings { replicas: 3, ..settings() }, "replicas", ["1", "3"]),
        (RegionSettings { log_bytes: 32 << 20, ..settings() }, "max_bytes", ["67108864", "33554432"]),
    ] {
        let error = provision(&connection, &wanted).await.unwrap_err();
        let message = error.to_string();
        let ProvisionError::Differs { stream, what, found, wanted, .. } = error else { panic!("{message}") };
        assert_eq!((what, &*found, &*wanted), (name, values[0], values[1]));
        assert!(message.contains(&stream) && message.contains("Nothing was changed"), "{message}");
    }
    assert_eq!(region_settings(&connection).await.unwrap(), settings(), "nothing was changed");
}

#[tokio::test]
async fn a_stranger_s_change_is_explained() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let jetstream = server.stranger().await;
    let mut config = jetstream.get_stream("LOG_test_0").await.unwrap().cached_info().config.clone();
    config.discard = async_nats::jetstream::stream::DiscardPolicy::Old;
    jetstream.update_stream(config).await.unwrap();
    let error = provision(&connection, &settings()).await.unwrap_err();
    assert!(matches!(error, ProvisionError::Differs { what: "discard", .. }), "{error}");
}

#[tokio::test]
async fn settings_that_can_t_be_are_refused_before_anything_is_made() {
    let server = Server::start();
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    for wrong in [
        RegionSettings { shards: 0, ..settings() },
        RegionSettings { shards: 5_000, ..settings() },
        RegionSettings { replicas: 2, ..settings() },
        RegionSettings { log_bytes: 10, ..settings() },
        RegionSettings { region: RegionName::new("other").unwrap(), ..settings() },
    ] {
        let refused = provision(&connection, &wrong).await;
        assert!(matches!(refused, Err(ProvisionError::Settings(_))), "{wrong:?}: {refused:?}");
    }
    let unknown = region_settings(&connection).await;
    assert!(matches!(unknown, Err(SettingsError::NotProvisioned(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_server_without_jetstream_is_said() {
    let server = Server::start();
    let elsewhere = Connection::open(&server.options(), &RegionName::new("elsewhere").unwrap()).await.unwrap();
    let wanted = RegionSettings { region: RegionName::new("elsewhere").unwrap(), ..settings() };
    let refused = provision(&elsewhere, &wanted).await;
    assert!(matches!(refused, Err(ProvisionError::JetStream { .. })), "{refused:?}");
    let unknown = region_settings(&elsewhere).await;
    assert!(matches!(unknown, Err(SettingsError::Unanswered { .. })), "{unknown:?}");
}
