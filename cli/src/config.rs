//! Configuration files: TOML, with `DUNLIN_` variables above it and options of the command line above both. docs/CONFIGURATION.md
//! lists every key.

use std::{net::SocketAddr, path::Path};

use anyhow::Context;
use clap::Args;
use dunlin_schema::{RegionName, limits, stream::RegionSettings};
use figment::{
    Figment, Metadata, Profile, Provider, Source,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Map},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Variables that begin like keys of a configuration and are something else: options of the command itself, and what its tests use.
const NO_KEYS: &[&str] = &["log", "log_format", "data", "url", "token", "nats_server"];
/// The section of a worker's file that says how the region's streams are made.
const STREAMS: &str = "streams";

/// Where a configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct FileArgs {
    /// The configuration file (TOML); `DUNLIN_` variables and options go before it
    #[arg(long, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,
}

/// Where the configuration of something that listens comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Where to listen, whatever the configuration says
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Of something that does not listen.
impl From<FileArgs> for ConfigArgs {
    fn from(file: FileArgs) -> ConfigArgs {
        ConfigArgs { file, listen: None }
    }
}

/// How the streams of a region are made: the section `[streams]` of a worker's configuration. Chosen once: a later start with other
/// values is refused with an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Streams {
    /// Partitions of the region's state.
    pub shards: u16,
    /// Servers that store each stream: 1, 3 or 5.
    pub replicas: u8,
    /// Bytes of each shard's log; JetStream sets them aside.
    pub log_bytes: u64,
    /// Whether the region's servers sync each write. Must say what their configuration does.
    pub sync_always: bool,
}

impl Default for Streams {
    fn default() -> Self {
        Streams { shards: limits::SHARDS, replicas: 1, log_bytes: 1 << 30, sync_always: false }
    }
}

impl Streams {
    /// The settings of a region with these streams.
    pub fn settings(&self, region: RegionName) -> RegionSettings {
        let Streams { shards, replicas, log_bytes, sync_always } = *self;
        RegionSettings { region, shards, replicas, log_bytes, sync_always }
    }
}

/// What `dunlin worker` and `dunlin provision` read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFile {
    /// The worker's own part.
    pub worker: dunlin_workers::Config,
    /// The region's streams, where the configuration has that section.
    pub streams: Option<Streams>,
}

/// A gateway's configuration, checked. Errors name the key, the file or variable, and what would be right.
pub fn gateway(args: &ConfigArgs) -> anyhow::Result<dunlin_gateway::Config> {
    let config: dunlin_gateway::Config = extract(sources(args, None)?, args, "a gateway")?;
    config.check().with_context(|| reading(args, "a gateway"))?;
    Ok(config)
}

/// A worker's configuration, checked. Errors name the key, the file or variable, and what would be right.
pub fn worker(args: &ConfigArgs, roles: Option<&[dunlin_workers::Role]>) -> anyhow::Result<WorkerFile> {
    let mut figment = sources(args, Some(STREAMS))?;
    if let Some(roles) = roles {
        figment = figment.merge(Serialized::default("roles", roles));
    }
    let worker: dunlin_workers::Config = figment
        .extract()
        .map_err(|error| anyhow::Error::from(with_streams(error)))
        .with_context(|| reading(args, "a worker"))?;
    worker.check().with_context(|| reading(args, "a worker"))?;
    let Beside { streams } = extract(sources(args, None)?, args, "a worker")?;
    if let Some(streams) = &streams {
        let wrong = streams.settings(worker.region.clone()).check();
        wrong.context("`streams`").with_context(|| reading(args, "a worker"))?;
    }
    Ok(WorkerFile { worker, streams })
}

/// What stands in a worker's file beside its own part, which is read without it.
#[derive(Deserialize)]
struct Beside {
    streams: Option<Streams>,
}

fn extract<T: DeserializeOwned>(figment: Figment, args: &ConfigArgs, whose: &str) -> anyhow::Result<T> {
    figment.extract().map_err(anyhow::Error::from).with_context(|| reading(args, whose))
}

/// Where the worker's own part has no such key, the section beside it is one of those that might have been meant.
fn with_streams(mut error: figment::Error) -> figment::Error {
    if let (figment::error::Kind::UnknownField(found, known), [_]) = (&error.kind, &error.path[..]) {
        let known: Vec<_> = known.iter().chain([&STREAMS]).map(|key| format!("`{key}`")).collect();
        let message = format!("unknown field: found `{found}`, expected one of {}", known.join(", "));
        error.kind = figment::error::Kind::Message(message);
    }
    error
}

fn reading(args: &ConfigArgs, whose: &str) -> String {
    match &args.file.config {
        Some(path) => format!("reading {whose}'s configuration {}", path.display()),
        None => format!("reading {whose}'s configuration (no --config was given)"),
    }
}

/// File, variables and options, without the section that is somebody else's.
fn sources(args: &ConfigArgs, without: Option<&'static str>) -> anyhow::Result<Figment> {
    let mut figment = Figment::new();
    if let Some(path) = &args.file.config {
        readable(path)?;
        figment = figment.merge(Without { provider: Toml::file_exact(path), section: without });
    }
    let variables = Env::prefixed("DUNLIN_").split("__").ignore(NO_KEYS);
    figment = figment.merge(Without { provider: variables, section: without });
    if let Some(listen) = args.listen {
        figment = figment.merge(Serialized::default("listen", listen));
    }
    Ok(figment)
}

/// The provider passes over a file that is not there; whoever names one means it.
fn readable(path: &Path) -> anyhow::Result<()> {
    std::fs::File::open(path).with_context(|| format!("opening the configuration {}", path.display())).map(drop)
}

/// A provider without one of its sections.
struct Without<P> {
    provider: P,
    section: Option<&'static str>,
}

impl<P: Provider> Provider for Without<P> {
    /// A file's keys are called as they stand in it: its profile, of which there is but one, is nothing that anybody wrote.
    fn metadata(&self) -> Metadata {
        let metadata = self.provider.metadata();
        match metadata.source {
            Some(Source::File(_)) => metadata.interpolater(|_profile, keys| keys.join(".")),
            _ => metadata,
        }
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut data = self.provider.data()?;
        if let Some(section) = self.section {
            data.values_mut().for_each(|dict| drop(dict.remove(section)));
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests;
