//! The streams of a region: made once, never changed by surprise.

use std::{collections::HashMap, time::Duration};

use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use dunlin_schema::{
    Shard,
    stream::{self, RegionSettings, Retention, StreamSettings},
};

use crate::Connection;

/// Metadata of every stream: how many shards the region has.
const SHARDS: &str = "dunlin.shards";
/// Metadata of every stream: whether the region's servers sync each write, as the operator said.
const SYNC: &str = "dunlin.sync";
/// Metadata of every stream: the id of the server through which it was made. A server has another id after each start.
pub(crate) const CREATED_BY: &str = "dunlin.server";

/// What [`provision`] found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// At least one stream was made.
    Created,
    /// All were there, with the same settings.
    Unchanged,
}

/// Why a region is not as wanted.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A stream exists with other settings. Nothing was changed.
    #[error(
        "the stream {stream} has {what} {found}, the configuration says {wanted}. Nothing was changed: put the configuration back to {found}, or {mend}"
    )]
    Differs {
        /// The stream.
        stream: String,
        /// The setting.
        what: &'static str,
        /// Its value in the stream.
        found: String,
        /// Its value in the configuration.
        wanted: String,
        /// How an operator gets from one to the other.
        mend: &'static str,
    },
    /// The settings can't be used.
    #[error("the region's settings can't be used: {0}")]
    Settings(String),
    /// JetStream refused or did not answer.
    #[error("the stream {stream} can't be made or looked at: {reason}")]
    JetStream {
        /// The stream.
        stream: String,
        /// What was said.
        reason: String,
    },
}

/// Why a region's settings can't be learned.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The region has no streams yet.
    #[error(
        "the region {0} has no streams yet: `dunlin provision` makes them, and so does `dunlin worker --provision`"
    )]
    NotProvisioned(String),
    /// The streams were not made by Dunlin.
    #[error("the stream {stream} says nothing usable of {what}: was it made by Dunlin?")]
    Foreign {
        /// The stream.
        stream: String,
        /// What is missing.
        what: &'static str,
    },
    /// JetStream refused or did not answer.
    #[error(
        "JetStream of region {region} does not answer ({reason}): is it on, with this domain, and where nats-server is a leaf node, is its \
         link to the region up?"
    )]
    Unanswered {
        /// The region.
        region: String,
        /// What was said.
        reason: String,
    },
}

/// Makes the streams of a region that are not there, and compares those that are. Idempotent; two at once do no harm. Errors: see
/// [`ProvisionError`].
pub async fn provision(connection: &Connection, settings: &RegionSettings) -> Result<Provisioned, ProvisionError> {
    check(connection, settings)?;
    let mut made = Provisioned::Unchanged;
    for wanted in settings.streams() {
        if provision_stream(connection, settings, wanted).await? == Provisioned::Created {
            made = Provisioned::Created;
        }
    }
    Ok(made)
}

fn check(connection: &Connection, settings: &RegionSettings) -> Result<(), ProvisionError> {
    if settings.region != *connection.region() {
        let what = format!("they are of region {}, the connection of {}", settings.region, connection.region());
        return Err(ProvisionError::Settings(what));
    }
    settings.check().map_err(|error| ProvisionError::Settings(error.to_string()))
}

async fn provision_stream(
    connection: &Connection,
    settings: &RegionSettings,
    wanted: StreamSettings,
) -> Result<Provisioned, ProvisionError> {
    let jetstream = connection.api().jetstream();
    let config = config(&wanted, settings, &connection.server().id);
    let failed = |reason: String| ProvisionError::JetStream { stream: wanted.name.clone(), reason };
    let found = match jetstream.get_stream(&wanted.name).await {
        Ok(found) => found.cached_info().config.clone(),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(refusal) if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                match jetstream.create_stream(config.clone()).await {
                    Ok(_) => return Ok(Provisioned::Created),
                    // Somebody else made it meanwhile, through another server.
                    Err(error) if exists(&error.kind()) => {
                        let found =
                            jetstream.get_stream(&wanted.name).await.map_err(|error| failed(error.to_string()))?;
                        found.cached_info().config.clone()
                    }
                    Err(error) => return Err(failed(error.to_string())),
                }
            }
            GetStreamErrorKind::JetStream(_)
            | GetStreamErrorKind::EmptyName
            | GetStreamErrorKind::InvalidStreamName
            | GetStreamErrorKind::Request => return Err(failed(error.to_string())),
        },
    };
    difference(&found, &config).map_or(Ok(Provisioned::Unchanged), Err)
}

/// Compares the streams of a region with its settings and makes nothing: what is missing or otherwise, at most one for each stream.
pub async fn inspect(connection: &Connection, settings: &RegionSettings) -> Vec<ProvisionError> {
    let mut wrong = Vec::new();
    for wanted in settings.streams() {
        let config = config(&wanted, settings, &connection.server().id);
        match connection.api().jetstream().get_stream(&config.name).await {
            Ok(found) => wrong.extend(difference(&found.cached_info().config, &config)),
            Err(error) => wrong.push(ProvisionError::JetStream { stream: config.name, reason: error.to_string() }),
        }
    }
    wrong
}

fn exists(kind: &CreateStreamErrorKind) -> bool {
    matches!(kind, CreateStreamErrorKind::JetStream(refusal) if refusal.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

fn config(wanted: &StreamSettings, settings: &RegionSettings, server: &str) -> Config {
    Config {
        name: wanted.name.clone(),
        subjects: vec![wanted.subjects.clone()],
        retention: match wanted.retention {
            Retention::Limits => RetentionPolicy::Limits,
            Retention::WorkQueue => RetentionPolicy::WorkQueue,
        },
        // What does not fit is refused; what is accepted is never dropped for it.
        discard: DiscardPolicy::New,
        max_bytes: bound(wanted.max_bytes),
        max_messages_per_subject: bound(wanted.max_per_subject),
        max_messages: -1,
        max_message_size: -1,
        max_consumers: -1,
        max_age: wanted.max_age.map_or(Duration::ZERO, |age| Duration::from_millis(age.0)),
        duplicate_window: Duration::from_millis(wanted.duplicate_window.0),
        num_replicas: usize::from(wanted.replicas),
        storage: StorageType::File,
        allow_direct: true,
        allow_message_ttl: wanted.ttl_by_message,
        metadata: HashMap::from([
            (SHARDS.to_owned(), settings.shards.to_string()),
            (SYNC.to_owned(), sync_text(settings.sync_always).to_owned()),
            (CREATED_BY.to_owned(), server.to_owned()),
        ]),
        ..Config::default()
    }
}

fn bound(limit: Option<u64>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

fn sync_text(always: bool) -> &'static str {
    if always { "always" } else { "interval" }
}

const MEND_NEVER: &str = "make a new region: this can't be changed in a stream that holds entries";
const MEND_EDIT: &str = "change the streams of every shard (`nats stream edit`), which keeps what they hold";
const MEND_FOREIGN: &str = "find out who changed the stream: Dunlin's promises rest on this setting";

/// The first setting in which a stream is not as wanted.
fn difference(found: &Config, wanted: &Config) -> Option<ProvisionError> {
    let stream = &wanted.name;
    let of = |config: &Config, key| config.metadata.get(key).cloned().unwrap_or_else(|| "nothing".to_owned());
    type Shown<'a> = (&'static str, &'a dyn Fn(&Config) -> String, &'static str);
    let compared: [Shown<'_>; 14] = [
        ("shards", &|config| of(config, SHARDS), MEND_NEVER),
        ("sync", &|config| of(config, SYNC), MEND_EDIT),
        ("replicas", &|config| config.num_replicas.to_string(), MEND_EDIT),
        ("max_bytes", &|config| config.max_bytes.to_string(), MEND_EDIT),
        ("subjects", &|config| config.subjects.join(","), MEND_FOREIGN),
        ("retention", &|config| format!("{:?}", config.retention), MEND_FOREIGN),
        ("discard", &|config| format!("{:?}", config.discard), MEND_FOREIGN),
        ("max_msgs", &|config| config.max_messages.to_string(), MEND_FOREIGN),
        ("max_msgs_per_subject", &|config| config.max_messages_per_subject.to_string(), MEND_FOREIGN),
        ("max_age", &|config| format!("{} s", config.max_age.as_secs()), MEND_FOREIGN),
        ("allow_msg_ttl", &|config| config.allow_message_ttl.to_string(), MEND_EDIT),
        ("duplicate_window", &|config| format!("{} s", config.duplicate_window.as_secs()), MEND_FOREIGN),
        ("storage", &|config| format!("{:?}", config.storage), MEND_FOREIGN),
        ("allow_direct", &|config| config.allow_direct.to_string(), MEND_FOREIGN),
    ];
    compared.into_iter().find_map(|(what, show, mend)| {
        let (found, wanted) = (show(found), show(wanted));
        (found != wanted).then(|| ProvisionError::Differs { stream: stream.clone(), what, found, wanted, mend })
    })
}

/// What the streams of the connection's region say of it. Errors: see [`SettingsError`].
pub async fn region_settings(connection: &Connection) -> Result<RegionSettings, SettingsError> {
    let region = connection.region();
    let name = stream::log_stream(region, Shard(0));
    let found = connection.api().jetstream().get_stream(&name).await.map_err(|error| match error.kind() {
        GetStreamErrorKind::JetStream(refusal) if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND => {
            SettingsError::NotProvisioned(region.to_string())
        }
        GetStreamErrorKind::JetStream(_)
        | GetStreamErrorKind::EmptyName
        | GetStreamErrorKind::InvalidStreamName
        | GetStreamErrorKind::Request => {
            SettingsError::Unanswered { region: region.to_string(), reason: error.to_string() }
        }
    })?;
    let config = &found.cached_info().config;
    let foreign = |what| SettingsError::Foreign { stream: name.clone(), what };
    let shards = config.metadata.get(SHARDS).and_then(|text| text.parse().ok()).ok_or_else(|| foreign("its shards"))?;
    let sync_always = match config.metadata.get(SYNC).map(String::as_str) {
        Some("always") => true,
        Some("interval") => false,
        _ => return Err(foreign("how its servers sync")),
    };
    Ok(RegionSettings {
        region: region.clone(),
        shards,
        replicas: u8::try_from(config.num_replicas).map_err(|_| foreign("its replicas"))?,
        log_bytes: u64::try_from(config.max_bytes).map_err(|_| foreign("its bytes"))?,
        sync_always,
    })
}
