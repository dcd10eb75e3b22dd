//! Configuration: a TOML file, overridden by `DUNLIN_` variables, overridden by options of the command line. docs/CONFIGURATION.md
//! lists every key.

mod read;
mod tree;
mod variables;

use std::net::SocketAddr;

use anyhow::{Context, anyhow};
use clap::Args;
use dunlin_nats::ConnectOptions;
use dunlin_schema::{RegionName, limits, listen, stream::RegionSettings};
use serde::Deserialize;

use self::{
    read::read,
    tree::{Node, Place, Table, merge, parse, put},
};

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
    #[arg(long, value_name = "ADDR", value_parser = listen::parse)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
    let config = || {
        let config: dunlin_gateway::Config = read(&sources(args)?)?;
        config.check()?;
        anyhow::Ok(config)
    };
    config().with_context(|| reading(args, "a gateway"))
}

/// A worker's configuration, checked. Errors name the key, the file or variable, and what would be right.
pub fn worker(args: &ConfigArgs, roles: Option<&[dunlin_workers::Role]>) -> anyhow::Result<WorkerFile> {
    let file = || {
        let mut table = sources(args)?;
        if let Some(roles) = roles {
            let roles = roles.iter().map(|role| option(role.as_str())).collect();
            put(&mut table, &["roles"], Node::List(roles));
        }
        let streams = table.remove(STREAMS);
        let table = below(table);
        let worker: dunlin_workers::Config = read(&table).map_err(|error| error.or(STREAMS))?;
        worker.check()?;
        let streams = streams.map(|section| read(&Table::from([(STREAMS.to_owned(), section)])));
        let streams = streams.transpose()?.map(|Beside { streams }| streams);
        if let Some(streams) = &streams {
            streams.settings(worker.region.clone()).check().context("`streams`")?;
        }
        anyhow::Ok(WorkerFile { worker, streams })
    };
    file().with_context(|| reading(args, "a worker"))
}

/// A worker's table above the defaults of who a worker is to NATS: its section `nats` may be there and not name them.
fn below(above: Table) -> Table {
    let ConnectOptions { name, inbox_prefix, .. } = dunlin_workers::Config::default().nats;
    let mut table = Table::new();
    for (key, value) in [("name", name), ("inbox_prefix", inbox_prefix)] {
        put(&mut table, &["nats", key], option(&value));
    }
    merge(&mut table, above);
    table
}

/// What stands in a worker's file beside its own part.
#[derive(Deserialize)]
struct Beside {
    streams: Streams,
}

fn reading(args: &ConfigArgs, whose: &str) -> String {
    match &args.file.config {
        Some(path) => format!("reading {whose}'s configuration {}", path.display()),
        None => format!("reading {whose}'s configuration (no --config was given)"),
    }
}

/// File, variables and options, each above the one before.
fn sources(args: &ConfigArgs) -> anyhow::Result<Table> {
    let mut table = match &args.file.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("opening the configuration {}", path.display()))?;
            parse(&text, &Place::File(path.display().to_string().into())).map_err(|why| anyhow!(why))?
        }
        None => Table::new(),
    };
    merge(&mut table, variables::table(std::env::vars_os()).map_err(|why| anyhow!(why))?);
    if let Some(listen) = args.listen {
        put(&mut table, &["listen"], option(&listen.to_string()));
    }
    Ok(table)
}

/// What an option of the command line says.
fn option(text: &str) -> Node {
    Node::Untyped(text.to_owned(), Place::CommandLine)
}

#[cfg(test)]
mod tests;
