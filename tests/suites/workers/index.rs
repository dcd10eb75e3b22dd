//! What has gone from the log goes from the projection: the mailbox of somebody who is erased, whoever asks or not.

use dunlin_nats::Records;
use dunlin_schema::{Seq, erasure::Erasure, stream::log_stream, subject};
use dunlin_tests::{server::ServerOptions, wait::until};
use dunlin_workers::{Boot, Config, Readiness, deliver, index};
use tempfile::TempDir;

use super::bench::{Bench, Node, SHARD, name};

async fn counted(worker: &Node, metric: &str) -> Option<u64> {
    let page = worker.get("/metrics").await;
    let line = page.lines().find(|line| line.starts_with(&format!("dunlin_index_{metric}_total{{")))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_goes_from_the_projection() {
    let bench = Bench::new(ServerOptions::default()).await;
    let folder = TempDir::new().unwrap();
    let roles = vec![deliver::ROLE, index::ROLE];
    let (folder, boot) = (Some(folder.path().to_owned()), Boot::Given("boot".to_owned()));
    let mut worker = bench.worker_with(Config { roles, folder, boot, ..Config::default() }).await;
    worker.wait("both roles at work", Readiness::is_all_working).await;
    bench.store_all("bob", 1..4).await;
    bench.store_all("carol", 4..6).await;
    let taken = async || (counted(&worker, "entries").await == Some(5)).then_some(());
    until("all entries in the projection", taken).await;

    let region = &bench.settings.region;
    let erased = Erasure { user: name("bob") };
    let subject = subject::erasure(region, SHARD, &erased.user);
    Records::new(&bench.connection).save(&subject, erased.encode(), Seq(0)).await.unwrap();
    let client = async_nats::connect(bench.nats.url()).await.unwrap();
    let jetstream = async_nats::jetstream::with_domain(client, region.as_str());
    let log = jetstream.get_stream(log_stream(region, SHARD)).await.unwrap();
    let mailbox = dunlin_schema::Log::mailbox(region, 1, &erased.user).subject();
    log.purge().filter(mailbox).await.unwrap();
    let gone = async || (counted(&worker, "gone").await == Some(3)).then_some(());
    until("bob's rows to be gone", gone).await;
    // Carol's stay, and what comes for bob then is his.
    bench.store_all("bob", 6..7).await;
    until("the new entry", async || (counted(&worker, "entries").await == Some(6)).then_some(())).await;
    assert_eq!(counted(&worker, "gone").await, Some(3));
    worker.stop().await;
}
