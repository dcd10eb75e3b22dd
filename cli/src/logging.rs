//! Logs: to stderr, so that stdout is what a command prints.

use std::{
    io::{self, IsTerminal as _},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt};

/// How and how much is logged.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What is logged: a level (error, warn, info, debug, trace), or levels by module, as in `info,dunlin_gateway=debug`. Default:
    /// info for what serves, warn for the other commands
    #[arg(long, env = "DUNLIN_LOG", global = true, value_name = "LEVELS", hide_env_values = true)]
    log: Option<String>,
    /// How it is written
    #[arg(
        long,
        env = "DUNLIN_LOG_FORMAT",
        global = true,
        default_value = "text",
        value_name = "FORMAT",
        hide_env_values = true
    )]
    log_format: LogFormat,
}

impl LogArgs {
    /// The same, as options of a command.
    pub(crate) fn options(&self) -> Vec<String> {
        let levels = self.log.iter().flat_map(|levels| ["--log".to_owned(), levels.clone()]);
        let format = self.log_format.to_possible_value().expect("no format is left out");
        levels.chain(["--log-format".to_owned(), format.get_name().to_owned()]).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether the terminal that stderr writes to is drawn on: a line of the log would stand in the middle of it.
static DRAWN: AtomicBool = AtomicBool::new(false);

/// Keeps the log off a terminal that is drawn on, until it is dropped.
pub(crate) struct Hushed;

impl Hushed {
    pub(crate) fn new() -> Hushed {
        DRAWN.store(io::stderr().is_terminal(), Relaxed);
        Hushed
    }
}

impl Drop for Hushed {
    fn drop(&mut self) {
        DRAWN.store(false, Relaxed);
    }
}

fn writer() -> Box<dyn io::Write> {
    if DRAWN.load(Relaxed) { Box::new(io::sink()) } else { Box::new(io::stderr()) }
}

/// Begins to log; `serves` is whether this process serves others. Errors: the levels can't be read.
pub fn init(args: &LogArgs, serves: bool) -> anyhow::Result<()> {
    let usual = if serves { "info,async_nats=warn" } else { "warn" };
    let levels = args.log.as_deref().unwrap_or(usual);
    let filter = EnvFilter::try_new(levels).with_context(|| format!("reading --log {levels:?} (or DUNLIN_LOG)"))?;
    // Where nobody reads what is logged, or a disk is full, its complaint about that would be a panic: it writes to stderr, too.
    let builder = fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    // A second call, as tests make it, leaves the first one's choice.
    let _ = match args.log_format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
