//! `dunlin dev`: a whole region on this machine, and a page to try it on.
//!
//! | room | what lives there |
//! |---|---|
//! | `part` | a child process that is kept running |
//! | `nats`, `binary`; `own` | what runs in the parts: nats-server; worker and gateways |
//! | `console` | what browsers are served: the page, tokens, how the parts are, and their end by `kill -9` |
//!
//! It ends in phases: the gateways tell their sockets to go, the worker saves where it is, nats-server stores what it holds.

mod binary;
mod console;
mod nats;
mod own;
mod part;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::Args;
use dunlin_schema::listen::{self, ListenError};
use futures_util::future::{join_all, try_join_all};

use self::{
    console::Console,
    nats::NatsServer,
    own::{Region, from_here},
    part::{Handle, Part, Program},
};
use crate::{
    folder::{Folder, FolderArgs},
    keys,
    logging::LogArgs,
    print, serve,
};

/// Options of `dunlin dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Where the first gateway listens, and the others on the ports after it; port 0 takes free ones
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR", value_parser = listen::parse)]
    listen: SocketAddr,
    /// How many gateways there are
    #[arg(long, default_value = "1", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=8))]
    gateways: u16,
    /// Where the page is, on this machine alone; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDR", value_parser = loopback)]
    page: SocketAddr,
    /// No page, and none of what only it needs
    #[arg(long, conflicts_with = "page")]
    no_page: bool,
    #[command(flatten)]
    folder: FolderArgs,
    /// The nats-server to start. Default: the one in `.tools/bin` beside here or beside this program, else the one in PATH
    #[arg(long, env = "DUNLIN_NATS_SERVER", value_name = "FILE", hide_env_values = true)]
    nats_server: Option<PathBuf>,
    /// Sync each write to the disk, so that a power loss takes nothing. Chosen at the folder's first start
    #[arg(long)]
    sync_always: bool,
}

/// Why the page is not served at an address.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error("{0}")]
    Listen(ListenError),
    #[error(
        "the page gives tokens for anybody to whoever reaches it, so it is for this machine alone: write a loopback address, as in `127.0.0.1:8090`"
    )]
    Reachable,
}

fn loopback(text: &str) -> Result<SocketAddr, PageError> {
    let address = listen::parse(text).map_err(PageError::Listen)?;
    if address.ip().is_loopback() { Ok(address) } else { Err(PageError::Reachable) }
}

/// Cores for nats-server, and as many for each of the others: with more threads than that they mostly wake each other.
fn half_of_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// Runs a region until `shutdown`. Errors: what could not start.
pub async fn run(
    args: DevArgs,
    log: &LogArgs,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let folder = Folder::create(&args.folder.path)?;
    let _lock = folder.lock()?;
    keys::ensure(&folder)?;
    let addresses = args.addresses()?;
    addresses.iter().copied().try_for_each(serve::free)?;
    let console = if args.no_page { None } else { Some(Console::bind(args.page).await?) };
    let binary = binary::find(args.nats_server.as_deref())?;
    let nats = NatsServer { binary, folder: folder.nats()?, sync_always: args.sync_always };
    let mut phases = Phases::default();
    let serving = async {
        let nats = phases.begin([nats]).await?.remove(0).url("nats");
        let page = console.as_ref().map(Console::url);
        let region = Region { folder: &folder, nats, page, sync_always: args.sync_always, log };
        phases.begin([region.worker()?]).await?;
        let gateways = addresses.iter().zip(1..).map(|(address, number)| region.gateway(number, *address));
        let gateways = phases.begin(gateways.collect::<anyhow::Result<Vec<_>>>()?).await?;
        let url = gateways[0].url("http");
        folder.tell(&url, &region.nats)?;
        let open = region.page.map_or_else(String::new, |page| format!("\nopen {page}"));
        print(&format!("ready {url}{open}"))?;
        match console {
            Some(console) => console.serve(folder.clone(), phases.handles()).await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        () = shutdown => Ok(()),
        outcome = Box::pin(serving) => outcome,
    };
    folder.untell();
    phases.end().await;
    outcome
}

impl DevArgs {
    /// Where the gateways listen. Errors: there are no such ports.
    fn addresses(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let port = self.listen.port();
        let ports = (0..self.gateways).map(|number| if port == 0 { Some(0) } else { port.checked_add(number) });
        let addresses = ports.map(|port| Some(SocketAddr::new(self.listen.ip(), port?))).collect::<Option<Vec<_>>>();
        addresses.with_context(|| {
            format!("listening on {} and the ports after it: there are not {} of them", self.listen, self.gateways)
        })
    }
}

impl Handle {
    /// Where the part is reached from this machine; empty where it listens nowhere.
    fn url(&self, scheme: &str) -> String {
        self.state().address.map_or_else(String::new, |address| format!("{scheme}://{}", from_here(address)))
    }
}

/// The parts, in the order in which they were begun: those of one phase together.
#[derive(Default)]
struct Phases(Vec<Vec<Part>>);

impl Phases {
    /// Starts parts together and waits until all of them work. Errors: one does not.
    async fn begin(&mut self, programs: impl IntoIterator<Item = impl Program>) -> anyhow::Result<Vec<Handle>> {
        self.0.push(programs.into_iter().map(Part::start).collect());
        try_join_all(self.0.last_mut().into_iter().flatten().map(Part::works)).await
    }

    fn handles(&self) -> Vec<Handle> {
        self.0.iter().flatten().map(Part::handle).collect()
    }

    /// Ends what was begun, the last phase first.
    async fn end(self) {
        for phase in self.0.into_iter().rev() {
            join_all(phase.into_iter().map(Part::end)).await;
        }
    }
}
