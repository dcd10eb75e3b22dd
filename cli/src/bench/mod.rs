//! `dunlin bench`: the figures of docs/PERFORMANCE.md, each as floor, ours, floor in one run.
//!
//! The generator speaks raw WebSocket frames from one thread that is pinned to one core; the servers are processes of their own, and
//! their CPU time and memory are read from /proc. Load is open loop: latency counts from the scheduled time of sending. A figure is
//! void if the generator used more than 80 % of its core, and invalid if anything was refused, lost or repeated.
//!
//! | room | what lives there |
//! |---|---|
//! | `wire`, `sockets`, `crowd`, `item` | the client's side: frames, sockets, people, messages that tell which they are |
//! | `exchange`, `arrival`, `fill`, `files` | the loads: people who write, who come, who write to who is not there, and files |
//! | `generator`, `process`, `system`, `tokens` | the thread that loads, the processes that are loaded |
//! | `floor_relay`, `floor_nats`, `floor_loop`, `floor_copy` | floor A, floor B, and the floors of a group and of a file |
//! | `figures`, `report` | what is measured, and the table |

mod arrival;
mod crowd;
mod exchange;
mod figures;
mod files;
mod fill;
mod floor_copy;
mod floor_loop;
mod floor_nats;
mod floor_relay;
mod generator;
mod item;
mod process;
mod report;
mod sockets;
mod system;
mod tokens;
mod wire;

use std::net::SocketAddr;

/// What `dunlin bench` measures.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    part: Option<Part>,
    /// Measure only these. All of them take about twenty minutes.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FIGURES")]
    only: Vec<figures::Figure>,
    /// Fewer people and shorter windows: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Floor A as a process of its own.
    #[command(hide = true)]
    FloorRelay {
        /// Where to listen; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// The floor of a group as a process of its own.
    #[command(hide = true)]
    FloorLoop {
        /// Where to listen; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
}

/// Runs the benchmarks and prints their table. Errors: a server that did not start, too few open files.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.part {
        Some(Part::FloorRelay { listen }) => floor_relay::run(listen).await,
        Some(Part::FloorLoop { listen }) => tokio::task::spawn_blocking(move || floor_loop::run(listen)).await?,
        None => {
            let rows = tokio::task::spawn_blocking(move || figures::run(&args.only, args.quick)).await??;
            crate::printed(report::print(&rows))
        }
    }
}
