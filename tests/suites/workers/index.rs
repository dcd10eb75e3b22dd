//! What has gone from the log goes from the projection: the mailbox of somebody who is erased, whoever asks or not. What the log brings
//! back is there again.

use std::time::Duration;

use async_nats::jetstream::{Context, stream::Stream};
use dunlin_nats::{Index, Records};
use dunlin_schema::{
    Log, Seq, StreamTime,
    erasure::{Before, Ends, Erasure, Stage},
    index::ConversationsRequest,
    stream::log_stream,
    subject,
};
use dunlin_tests::{
    server::ServerOptions,
    wait::{until, within},
};
use dunlin_workers::{Boot, Config, Readiness, deliver, index};
use tempfile::TempDir;

use super::bench::{Bench, Node, SHARD, name};

async fn counted(worker: &Node, metric: &str) -> Option<u64> {
    let page = worker.get("/metrics").await;
    let line = page.lines().find(|line| line.starts_with(&format!("dunlin_index_{metric}_total{{")))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn both_roles(bench: &Bench, folder: &TempDir) -> Node {
    let roles = vec![deliver::ROLE, index::ROLE];
    let (folder, boot) = (Some(folder.path().to_owned()), Boot::Given("boot".to_owned()));
    let mut worker = bench.worker_with(Config { roles, folder, boot, ..Config::default() }).await;
    worker.wait("both roles at work", Readiness::is_all_working).await;
    worker
}

async fn jetstream(bench: &Bench) -> Context {
    let client = async_nats::connect(bench.nats.url()).await.expect("a server");
    async_nats::jetstream::with_domain(client, bench.settings.region.as_str())
}

async fn log(bench: &Bench) -> Stream {
    jetstream(bench).await.get_stream(log_stream(&bench.settings.region, SHARD)).await.expect("the shard")
}

fn mailbox(bench: &Bench, user: &str) -> String {
    Log::mailbox(&bench.settings.region, 1, &name(user)).subject()
}

/// Says, as the eraser does, that bob was erased when the log ended here.
async fn erased(bench: &Bench, end: u64) {
    let ends = vec![Ends { log: Seq(end), state: Seq(end) }];
    let stage = Stage::Done(Before { until: StreamTime(u64::MAX), ends });
    let erased = Erasure { user: name("bob"), stage };
    let subject = subject::erasure(&bench.settings.region, SHARD, &erased.user);
    Records::new(&bench.connection).save(&subject, erased.encode(), Seq(0)).await.expect("stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_goes_from_the_projection() {
    let bench = Bench::new(ServerOptions::default()).await;
    let folder = TempDir::new().unwrap();
    let worker = both_roles(&bench, &folder).await;
    bench.store_all("bob", 1..4).await;
    bench.store_all("carol", 4..6).await;
    log(&bench).await.purge().filter(mailbox(&bench, "bob")).await.unwrap();
    // The index may be late: what it has not yet taken when it is told goes as well.
    erased(&bench, 5).await;
    let gone = async || {
        let (taken, gone) = (counted(&worker, "entries").await?, counted(&worker, "gone").await?);
        (taken >= 2 && taken == gone + 2).then_some(gone)
    };
    let gone = until("bob's rows to be gone", gone).await;
    // Carol's stay, and what comes for bob then is his.
    bench.store_all("bob", 6..7).await;
    until("the new entry", async || (counted(&worker, "entries").await == Some(gone + 3)).then_some(())).await;
    assert_eq!(counted(&worker, "gone").await, Some(gone));
    worker.stop().await;
}

/// Nats-server takes what a limit drops away in memory alone, and a projection that has let it go as well is past it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_that_lacks_what_the_log_brought_back_is_made_again_once() {
    let mut bench = Bench::new(ServerOptions::default()).await;
    let folder = TempDir::new().unwrap();
    let worker = both_roles(&bench, &folder).await;
    let stream = log(&bench).await;
    let mut config = stream.cached_info().config.clone();
    config.max_messages_per_subject = 3;
    jetstream(&bench).await.update_stream(config).await.unwrap();
    bench.store_all("bob", 1..7).await;
    bench.store_all("carol", 7..8).await;
    erased(&bench, 7).await;
    let let_go = async || {
        let (taken, gone) = (counted(&worker, "entries").await?, counted(&worker, "gone").await?);
        (taken >= 4 && taken == gone + 4).then_some(())
    };
    until("the rows to be gone that made room", let_go).await;
    for seq in 4..7 {
        stream.delete_message(seq).await.unwrap();
    }
    bench.nats.kill();
    bench.nats.forget_indexes();
    bench.restart().await;
    let first = log(&bench).await.get_first_raw_message_by_subject(&mailbox(&bench, "bob"), 1).await.unwrap();
    assert_eq!(first.sequence, 1, "what had made room is back");

    let (index, question) =
        (Index::new(&bench.connection), ConversationsRequest { user: name("bob"), below: None, limit: 9 });
    for _ in 0..3 {
        let answered = async || index.conversations(SHARD, &question).await.ok();
        within(Duration::from_secs(60), "an answer", answered).await;
    }
    assert_eq!(counted(&worker, "rebuilt").await, Some(1));
    worker.stop().await;
}
