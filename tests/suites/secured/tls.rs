//! TLS: who is trusted, who must show a certificate, and that nothing goes on in plain text.

use dunlin_nats::{Appender, ConnectOptions, Tls, provision};
use dunlin_schema::{RegionName, stream::RegionSettings};
use dunlin_tests::{
    authority::{Authority, Certificate},
    server::NatsServer,
    wait::until,
};

use super::{open, options, refused, server_with, unusable};

fn with(server: &NatsServer, tls: Tls) -> ConnectOptions {
    ConnectOptions { tls, ..options(server) }
}

fn trusting(authority: &Authority) -> Tls {
    Tls { ca: Some(authority.ca()), ..Tls::default() }
}

fn showing(authority: &Authority, Certificate { cert, key }: Certificate) -> Tls {
    Tls { cert: Some(cert), key: Some(key), ..trusting(authority) }
}

#[tokio::test]
async fn a_server_is_trusted_whose_authority_is_named_and_no_other() {
    let (ours, strange) = (Authority::new(), Authority::new());
    let server = server_with(ours.server_section(false));
    let by_scheme = vec![server.url().replace("nats://", "tls://")];
    for tls in [trusting(&ours), Tls { required: true, ..trusting(&ours) }] {
        let options = with(&server, tls);
        open(&options).await.expect("a connection");
        open(&ConnectOptions { servers: by_scheme.clone(), ..options }).await.expect("a connection by tls://");
    }
    // Not only the first connection: appends have one of their own.
    let region = RegionName::new("local").expect("a name");
    let settings = RegionSettings { region, shards: 1, replicas: 1, log_bytes: 1 << 20, sync_always: false };
    let connection = open(&with(&server, trusting(&ours))).await.expect("a connection");
    provision(&connection, &settings).await.expect("streams");
    Appender::open(&with(&server, trusting(&ours)), &settings).await.expect("a connection for appends");

    refused("another authority", &with(&server, trusting(&strange)), &["UnknownIssuer", "`tls.ca`"]).await;
    refused("no authority", &with(&server, Tls::default()), &["UnknownIssuer", "`tls.ca`"]).await;
    let elsewhere = server_with(ours.server_section_for([127, 0, 0, 2].into(), false));
    refused("a certificate for elsewhere", &with(&elsewhere, trusting(&ours)), &["127.0.0.1", "`servers`"]).await;
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let ours = Authority::new();
    let server = server_with(String::new());
    open(&with(&server, trusting(&ours))).await.expect("a connection in plain text");
    let required = with(&server, Tls { required: true, ..trusting(&ours) });
    refused("required", &required, &["TLS", "`tls.required`"]).await;
    let by_scheme = vec![server.url().replace("nats://", "tls://")];
    let named = ConnectOptions { servers: by_scheme, ..with(&server, trusting(&ours)) };
    refused("by tls://", &named, &["TLS", "tls://"]).await;
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_takes_those_of_its_authority_alone() {
    let (ours, strange) = (Authority::new(), Authority::new());
    let server = server_with(ours.server_section(true));
    open(&with(&server, showing(&ours, ours.certificate("gateway")))).await.expect("a connection");
    for _ in 0..3 {
        refused("no certificate", &with(&server, trusting(&ours)), &["`tls.cert`"]).await;
        let strangers = showing(&ours, strange.certificate("gateway"));
        refused("a stranger's certificate", &with(&server, strangers), &["`tls.cert`"]).await;
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_what_connections_show_soon() {
    let ours = Authority::new();
    let server = server_with(format!("{}\nhttp: \"127.0.0.1:-1\"", ours.server_section(true)));
    let Certificate { cert, key } = ours.certificate("gateway");
    let shown = Certificate { cert: cert.clone(), key: key.clone() };
    let _connection = open(&with(&server, showing(&ours, shown))).await.expect("a connection");
    let shows = async |name: &str| {
        let connections = server.monitored("/connz?auth=1").await.to_string();
        connections.contains(&format!("CN={name}")).then_some(())
    };
    until("the first certificate", async || shows("gateway").await).await;
    let renewed = ours.certificate("renewed");
    // Between these two nothing fits, and the connection stays as it is.
    std::fs::copy(renewed.cert, cert).expect("replacing a file");
    std::fs::copy(renewed.key, key).expect("replacing a file");
    until("the second certificate", async || shows("renewed").await).await;
}

#[tokio::test]
async fn files_that_are_no_certificates_are_named() {
    let ours = Authority::new();
    let server = server_with(ours.server_section(true));
    let Certificate { cert, key } = ours.certificate("gateway");
    let other = ours.certificate("other");
    let nowhere = ours.ca().with_file_name("nowhere.pem");
    let empty = ours.ca().with_file_name("empty.pem");
    std::fs::write(&empty, "").expect("writing a file");
    let good = showing(&ours, Certificate { cert: cert.clone(), key: key.clone() });
    open(&with(&server, good.clone())).await.expect("a connection");
    for (case, tls, said) in [
        ("no such authority", Tls { ca: Some(nowhere.clone()), ..good.clone() }, ["tls.ca", "nowhere.pem"]),
        ("no authority in it", Tls { ca: Some(empty.clone()), ..good.clone() }, ["tls.ca", "empty.pem"]),
        ("no such certificate", Tls { cert: Some(nowhere.clone()), ..good.clone() }, ["tls.cert", "nowhere.pem"]),
        ("no certificate in it", Tls { cert: Some(empty.clone()), ..good.clone() }, ["tls.cert", "empty.pem"]),
        ("no such key", Tls { key: Some(nowhere.clone()), ..good.clone() }, ["tls.key", "nowhere.pem"]),
        ("no key in it", Tls { key: Some(cert.clone()), ..good.clone() }, ["tls.key", "gateway-cert.pem"]),
        ("another's key", Tls { key: Some(other.key.clone()), ..good.clone() }, ["tls.key", "other-key.pem"]),
    ] {
        unusable(case, &with(&server, tls), &said).await;
    }
}
