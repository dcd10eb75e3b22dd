//! The `dunlin` command: everything that one runs of Dunlin.
//!
//! | room | what lives there |
//! |---|---|
//! | [`mod@dev`] | a whole region on this machine: its parts are child processes, and a page shows them |
//! | [`serve`] | a gateway, a worker, a region's streams, as real deployments run them |
//! | [`talk`] | send and listen, as somebody |
//! | [`devices`], [`conversations`], [`receipts`] | somebody's devices, conversations and messages, and how far one came |
//! | [`groups`] | groups, made and changed as somebody |
//! | [`blocks`], [`revoke`] | what a person, or an operator, decides |
//! | [`chat`] | a conversation with somebody |
//! | [`presence`] | who is there |
//! | [`nats_conf`] | complete configurations of a nats-server |
//! | [`doctor`] | what is wrong with a region, and how to mend it |
//! | [`mod@bench`] | the figures of docs/PERFORMANCE.md |
//! | `awaited` | what a device has to catch up with |
//! | `check` | why a gateway would refuse a token |
//! | [`config`], [`folder`], [`keys`] | configuration files, the folder of `dunlin dev`, its keys and tokens |
//! | [`logging`], [`shutdown`] | logs, how a process ends |
//!
//! `main` only parses arguments; tests call [`run`].

mod asking;
mod awaited;
pub mod bench;
pub mod blocks;
pub mod chat;
mod check;
pub mod config;
pub mod conversations;
pub mod dev;
pub mod devices;
pub mod doctor;
pub mod erase;
mod files;
pub mod folder;
pub mod groups;
pub mod inventory;
pub mod keys;
pub mod logging;
pub mod media;
pub mod nats_conf;
mod plain;
pub mod presence;
pub mod receipts;
pub mod revoke;
pub mod serve;
pub mod shutdown;
pub mod span;
pub mod talk;

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use dunlin_client::{AskError, Ended, SendError};
use dunlin_schema::Code;

use crate::{keys::TokenCommand, logging::LogArgs};

/// Dunlin: edge messaging on NATS.
#[derive(Debug, Parser)]
#[command(name = "dunlin", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole region on this machine, for development: nats-server, worker, gateways, and a page to try them on
    Dev(dev::DevArgs),
    /// Run a gateway
    Gateway(serve::GatewayArgs),
    /// Run a worker
    Worker(serve::WorkerArgs),
    /// Make the streams of a region, or check that they are as the configuration says
    Provision(serve::ProvisionArgs),
    /// Print a token that `dunlin dev` trusts, and nothing else
    Token(keys::TokenArgs),
    /// Send a message
    Send(talk::SendArgs),
    /// Print what comes, one JSON object a line, each entry once also over restarts
    Listen(talk::ListenArgs),
    /// Talk with somebody: in a terminal with ticks and typing; else a line in is a message, and a line out one JSON object
    Chat(chat::ChatArgs),
    /// Print somebody's devices, one JSON object a line, or name or remove one
    ///
    /// `last_seen` is when a device last acknowledged something, in milliseconds since 1970, and null while it is connected. `here` is the
    /// device that asks: never one of these, since each question of this command comes from a device of its own, which is not listed.
    Devices(devices::DevicesArgs),
    /// Print whom somebody has messages with, one JSON object a line
    Conversations(conversations::ConversationsArgs),
    /// Print the messages of a conversation as they are now, one JSON object a line
    History(conversations::HistoryArgs),
    /// Print when a message was stored, delivered and read, as one JSON object
    Receipts(receipts::ReceiptsArgs),
    /// Make and change groups, and print what they are
    Group(groups::GroupArgs),
    /// Files that go with messages: get one
    Media(media::MediaArgs),
    /// Print who is there, one JSON object a line, once or for as long as one watches
    Presence(presence::PresenceArgs),
    /// Have everything of somebody erased, for good: that is certain when it returns, and done some seconds later
    Erase(erase::EraseArgs),
    /// Let somebody reach the user no more
    Block(blocks::BlockArgs),
    /// Let somebody reach the user again
    Unblock(blocks::BlockArgs),
    /// Print whom somebody has blocked, one JSON object a line
    Blocks(blocks::BlocksArgs),
    /// Take tokens back: one, those of a person, or those of a device
    Revoke(revoke::RevokeArgs),
    /// Say what is wrong with a region, and how to mend it
    Doctor(doctor::DoctorArgs),
    /// Print a complete, commented configuration of a nats-server
    NatsConf(nats_conf::NatsConfArgs),
    /// Measure
    Bench(bench::BenchArgs),
    /// Print the completions for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    fn serves(&self) -> bool {
        match self {
            Command::Dev(_) | Command::Gateway(_) | Command::Worker(_) | Command::Bench(_) => true,
            Command::Provision(_)
            | Command::Token(_)
            | Command::Send(_)
            | Command::Listen(_)
            | Command::Chat(_)
            | Command::Devices(_)
            | Command::Conversations(_)
            | Command::History(_)
            | Command::Group(_)
            | Command::Media(_)
            | Command::Block(_)
            | Command::Unblock(_)
            | Command::Blocks(_)
            | Command::Revoke(_)
            | Command::Doctor(_)
            | Command::NatsConf(_)
            | Command::Erase(_)
            | Command::Presence(_)
            | Command::Receipts(_)
            | Command::Completions { .. } => false,
        }
    }
}

/// Runs a command to its end and tells its outcome: an error on stderr and exit code 1, or the command's own code.
pub fn main(mut cli: Cli) -> ExitCode {
    if let Command::Chat(args) = &mut cli.command {
        // Can't be known any more once there are threads, which may change the environment.
        args.offset = time::UtcOffset::current_local_offset().unwrap_or(args.offset);
    }
    let outcome = logging::init(&cli.log, cli.command.serves()).and_then(|()| {
        let runtime = runtime(&cli.command).context("starting the runtime")?;
        let outcome = runtime.block_on(run(cli));
        // What still runs after a phased end has had its time.
        runtime.shutdown_timeout(std::time::Duration::from_secs(1));
        outcome
    });
    outcome.unwrap_or_else(|error| {
        if error.is::<NobodyReads>() {
            return ExitCode::SUCCESS;
        }
        let advice = advice(&error).map_or_else(String::new, |advice| format!("\n{advice}"));
        // With stderr gone there is nobody to tell. What is wrong may be said in a gateway's words.
        let _ = writeln!(std::io::stderr(), "{}", plain::text(&format!("dunlin: {error:#}{advice}")));
        ExitCode::FAILURE
    })
}

/// What to do where a gateway has ended a client for good.
fn advice(error: &anyhow::Error) -> Option<&'static str> {
    let goodbye = error.chain().find_map(|error| {
        let ended = match (error.downcast_ref(), error.downcast_ref(), error.downcast_ref()) {
            (Some(SendError::Ended(ended)), ..) | (_, Some(AskError::Ended(ended)), _) | (.., Some(ended)) => ended,
            _ => return None,
        };
        if let Ended::Goodbye(goodbye) = ended { Some(goodbye) } else { None }
    })?;
    let code = goodbye.code.known()?;
    if *code == Code::Replaced {
        return Some("Another program is connected as this device: give each its own with --device.");
    }
    [Code::Unauthorized, Code::TokenExpired, Code::Forbidden].contains(code).then_some(CHECK_THE_TOKEN)
}

/// For whoever's token was refused.
pub(crate) const CHECK_THE_TOKEN: &str = "`dunlin token check TOKEN` says what a token says and why a gateway would refuse it; `dunlin token USER` prints one that \
     `dunlin dev` trusts.";

fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    // The children of `dev` end with the thread that started them: this one, which ends with the process.
    let mut builder = match matches!(command, Command::Dev(_)) {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Runs a command. Errors say what was being done, with what, what is wrong and what to do about it.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Dev(args) => Box::pin(dev::run(args, &cli.log, shutdown::signalled_or_hung_up()?)).await?,
        Command::Gateway(args) => Box::pin(serve::gateway(args, shutdown::signalled()?)).await?,
        Command::Worker(args) => Box::pin(serve::worker(args, shutdown::signalled()?)).await?,
        Command::Provision(args) => Box::pin(serve::provision(args)).await?,
        Command::Token(args) => match &args.command {
            Some(TokenCommand::Check(check)) => return check::run(check).await,
            None => print(&keys::token(&args)?)?,
        },
        Command::Send(args) => return Box::pin(talk::send(args)).await,
        Command::Listen(args) => Box::pin(talk::listen(args, shutdown::signalled_or_hung_up()?)).await?,
        Command::Chat(args) => return Box::pin(chat::run(args, shutdown::signalled_or_hung_up()?)).await,
        Command::Devices(args) => Box::pin(devices::run(args)).await?,
        Command::Conversations(args) => Box::pin(conversations::list(args)).await?,
        Command::History(args) => Box::pin(conversations::history(args)).await?,
        Command::Receipts(args) => Box::pin(receipts::run(args)).await?,
        Command::Group(args) => Box::pin(groups::run(args)).await?,
        Command::Media(args) => return Box::pin(media::run(args)).await,
        Command::Presence(args) => Box::pin(presence::run(args, shutdown::signalled_or_hung_up()?)).await?,
        Command::Erase(args) => Box::pin(erase::run(args)).await?,
        Command::Block(args) => Box::pin(blocks::block(args)).await?,
        Command::Unblock(args) => Box::pin(blocks::unblock(args)).await?,
        Command::Blocks(args) => Box::pin(blocks::list(args)).await?,
        Command::Revoke(args) => Box::pin(revoke::run(args)).await?,
        Command::Doctor(args) => return Box::pin(doctor::run(args)).await,
        Command::NatsConf(args) => print(nats_conf::text(&args)?.trim_end())?,
        Command::Bench(args) => Box::pin(bench::run(args)).await?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "dunlin", &mut script);
            printed(std::io::stdout().write_all(&script))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a line on stdout, or several as one, at once.
pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    printed(out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()))
}

/// Whoever read what a command prints has seen enough, as `head` does: the command ends, and nothing went wrong.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what is printed")]
struct NobodyReads;

/// The outcome of writing to stdout.
pub(crate) fn printed(outcome: std::io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        outcome => outcome.context("printing"),
    }
}

#[cfg(test)]
mod tests;
