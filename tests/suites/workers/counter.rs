//! A small role as somebody would add one: it follows the deliver reader's epochs, and counts the entries of each mailbox in a projection
//! of its own. Through a takeover, a restart, a log that went back, and a start before there is any epoch.

#![allow(clippy::unwrap_used, reason = "the role of these tests panics where a test would")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dunlin_nats::{Item, Origin};
use dunlin_schema::{
    Address, Content, Entry, Epoch, Log, MessageId, Millis, Peer, Position, RegionName, Sender, Seq, Shard, StreamTime,
    entry::Body,
    read::{ReadFrom, ReadRequest, Source},
    subject::Logs,
};
use dunlin_tests::{server::ServerOptions, wait::until};
use dunlin_workers::{
    Boot, Config, Readiness, Role, Worker,
    context::Context,
    deliver,
    reader::{
        Given, Pass, ReaderMetrics, ShardMetrics,
        core::{Epochs, Resume},
    },
    readiness::TaskState,
    role::Work,
};
use futures_util::FutureExt;
use prometheus_client::registry::Registry;
use tempfile::TempDir;

use super::bench::{Bench, Node, name};

const COUNTER: Role = Role::new("counter", prepare).with_folder();

fn prepare(registry: &mut Registry) -> Work {
    let metrics = ReaderMetrics::register(registry.sub_registry_with_prefix("dunlin_counter"));
    Work::EachShard(Arc::new(move |context, shard| count(context, shard, metrics.of(shard)).boxed()))
}

/// The projection: how many entries each mailbox has, up to where, and how many entries were taken since the task began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    position: Position,
    taken: u64,
    entries: BTreeMap<String, u64>,
}

impl Counts {
    fn load(folder: &Path) -> Option<Counts> {
        let text = fs::read_to_string(folder.join("counts")).ok()?;
        let mut lines = text.lines().map(|line| line.split_once(' ').unwrap());
        let mut number = || lines.next().unwrap().1.parse().unwrap();
        let position = Position { epoch: Epoch(number()), seq: Seq(number()), time: StreamTime(number()) };
        let taken = number();
        let entries = lines.map(|(user, count)| (user.to_owned(), count.parse().unwrap())).collect();
        Some(Counts { position, taken, entries })
    }

    /// At once or not at all.
    fn save(&self, folder: &Path) {
        let Position { epoch, seq, time } = self.position;
        let mut text = format!("epoch {}\nseq {}\ntime {}\ntaken {}\n", epoch.0, seq.0, time.0, self.taken);
        for (user, count) in &self.entries {
            text += &format!("{user} {count}\n");
        }
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join("counts")).unwrap();
    }
}

async fn count(context: Context, shard: Shard, metrics: ShardMetrics) {
    let folder = context.folder().unwrap().to_owned();
    let logs = Logs::of(&context.settings().region, shard);
    let mut counts = Counts { taken: 0, ..Counts::load(&folder).unwrap_or_default() };
    let epochs = Epochs::Follows(Resume::Projected(counts.position));
    let mut pass = Pass::start(&context, shard, COUNTER.as_str(), epochs, metrics);
    let stop = context.stop();
    let mut stopping = false;
    loop {
        let given = tokio::select! {
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                pass.stop();
                continue;
            }
            given = pass.next() => given,
        };
        match given {
            Given::Begin(position) => {
                if (position.seq, position.time) != (counts.position.seq, counts.position.time) {
                    counts.entries.clear();
                }
                counts.position = position;
            }
            Given::Entry { position, subject, .. } => {
                counts.position = position;
                counts.taken += 1;
                if let Some(Peer::User(user)) = logs.owner(&subject) {
                    *counts.entries.entry(user.to_string()).or_default() += 1;
                }
            }
            Given::Live | Given::Lost | Given::Verified(..) | Given::Declined(_) => {}
            Given::Stopped => return,
        }
        counts.save(&folder);
    }
}

async fn start(bench: &Bench, roles: &[Role], folder: &TempDir) -> Node {
    let folder = Some(folder.path().to_owned());
    let boot = Boot::Given("boot".to_owned());
    bench.worker_with(Config { roles: roles.to_vec(), folder, boot, ..Config::default() }).await
}

async fn started(bench: &Bench, folder: &TempDir) -> Node {
    let mut node = start(bench, &[deliver::ROLE, COUNTER], folder).await;
    node.wait("both roles at work", Readiness::is_all_working).await;
    node
}

/// The projection once it stands at this sequence.
async fn counted(folder: &TempDir, seq: u64) -> Counts {
    until("the counts to come that far", async || {
        Counts::load(&folder.path().join("local/counter/0")).filter(|counts| counts.position.seq == Seq(seq))
    })
    .await
}

fn entries<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.map(|(user, count)| (user.to_owned(), count)).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_follows_waits_for_the_first_epoch() {
    let bench = Bench::new(ServerOptions::default()).await;
    let folder = TempDir::new().unwrap();
    bench.store_all("bob", 1..4).await;
    let mut counter = start(&bench, &[COUNTER], &folder).await;
    let deliver = bench.working("boot").await;
    counter.wait("the counter at work", Readiness::is_all_working).await;
    let counts = counted(&folder, 3).await;
    assert_eq!((counts.position.epoch, counts.entries), (bench.epoch().await, entries([("bob", 3)])));
    counter.stop().await;
    deliver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_goes_on_after_a_restart_and_is_made_again_where_it_is_not() {
    let bench = Bench::new(ServerOptions::default()).await;
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let worker = started(&bench, &folder).await;
    bench.store_all("bob", 1..6).await;
    counted(&folder, 5).await;
    worker.stop().await;
    bench.store_all("carol", 6..8).await;
    let worker = started(&bench, &folder).await;
    let counts = counted(&folder, 7).await;
    assert_eq!((counts.taken, counts.entries), (2, entries([("bob", 5), ("carol", 2)])));
    // A takeover by a machine that has no projection yet.
    let mut standby = start(&bench, &[deliver::ROLE, COUNTER], &elsewhere).await;
    standby.wait("a standby", |readiness| readiness.standing_by == 2).await;
    worker.kill();
    standby.wait("a takeover", Readiness::is_all_working).await;
    bench.store_all("bob", 8..9).await;
    let counts = counted(&elsewhere, 8).await;
    assert_eq!((counts.taken, counts.entries), (8, entries([("bob", 6), ("carol", 2)])));
    standby.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_log_lost_is_not_counted_in_the_epoch_that_follows() {
    let mut bench = Bench::new(ServerOptions::default()).await;
    let folder = TempDir::new().unwrap();
    let bob = bench.join("bob").await;
    let worker = started(&bench, &folder).await;
    bench.store_all("bob", 1..4).await;
    counted(&folder, 3).await;
    bench.saved(3).await;
    bench.nats.stop();
    let snapshot = bench.nats.snapshot();
    bench.restart().await;
    bench.ask_at(3, &[]).await;
    bench.store_all("carol", 4..7).await;
    let before = counted(&folder, 6).await;
    assert_eq!(before.entries, entries([("bob", 3), ("carol", 3)]));
    bench.nats.stop();
    bench.nats.put_back(&snapshot);
    bench.restart().await;
    // Where the deliver reader had not read what is gone, no epoch begins.
    bench.store("bob", "4 again").await;
    bob.until("4 again").await;
    until("the counts of the log as it is now, in its epoch", async || {
        let counts = Counts::load(&folder.path().join("local/counter/0"))?;
        let epoch = bench.epoch().await;
        (counts.entries == entries([("bob", 4)]) && counts.position.epoch == epoch).then_some(())
    })
    .await;
    worker.stop().await;
}

/// Another boot begins an epoch in a log that lost nothing: what was counted counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_in_which_nothing_was_lost_is_followed_without_reading_again() {
    let bench = Bench::new(ServerOptions::default()).await;
    let folder = TempDir::new().unwrap();
    let first = bench.working("boot").await;
    let mut counter = start(&bench, &[COUNTER], &folder).await;
    counter.wait("the counter at work", Readiness::is_all_working).await;
    bench.store_all("bob", 1..4).await;
    let before = counted(&folder, 3).await;
    first.stop().await;
    let second = bench.working("another boot").await;
    let epoch = bench.epoch().await;
    assert!(epoch > before.position.epoch);
    let counts = until("the new epoch to be followed", async || {
        Counts::load(&folder.path().join("local/counter/0")).filter(|counts| counts.position.epoch == epoch)
    })
    .await;
    assert_eq!((counts.taken, counts.entries), (3, entries([("bob", 3)])));
    bench.store_all("bob", 4..5).await;
    assert_eq!(counted(&folder, 4).await.entries, entries([("bob", 4)]));
    counter.stop().await;
    second.stop().await;
}

/// A role of the whole region: one task, that says so and waits for its end.
const NOTICE: Role = Role::new("notice", |_| {
    Work::Region(Box::new(|context| {
        async move {
            fs::write(context.folder().unwrap().join("there"), context.settings().region.as_str()).unwrap();
            context.tell(TaskState::Working);
            context.stop().cancelled().await;
            fs::write(context.folder().unwrap().join("handed over"), "").unwrap();
        }
        .boxed()
    }))
})
.with_folder();

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_the_region_has_one_task_and_one_folder() {
    let bench = Bench::new(ServerOptions::default()).await;
    let folder = TempDir::new().unwrap();
    let mut worker = start(&bench, &[NOTICE], &folder).await;
    worker.wait("its task", |readiness| readiness.tasks == 1 && readiness.is_all_working()).await;
    assert_eq!(fs::read_to_string(folder.path().join("local/notice/region/there")).unwrap(), "local");
    worker.stop().await;
    let config = Config { nats: bench.options(), roles: vec![NOTICE], folder: None, ..Config::default() };
    let error = Worker::start(config).await.err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("the role notice keeps a projection: set `folder`"));
}

/// A role of each link, which stores what comes over it: here one entry from each region.
const RELAY: Role = Role::new("relay", |_| Work::EachLink(Arc::new(|context, from| relay(context, from).boxed())))
    .with_appender()
    .with_reads();

async fn relay(context: Context, from: RegionName) {
    let time = Millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64);
    let (to, id) = (Address::local(name("bob")).said_in(&context.settings().region), MessageId::from_parts(time, 7));
    let entry = Entry {
        id,
        from: Sender { user: name("alice"), region: from },
        to,
        order: None,
        time,
        body: Body::Content(Content::Delete { target: MessageId::from_parts(Millis(1), 1) }),
    };
    let log = Log::mailbox(&context.settings().region, context.settings().shards, &name("bob"));
    let item = Item { log: log.clone(), entry, origin: Origin::Client, first_try: true, copy_of_new: false };
    let stored = context.appender().unwrap().append(item).await.unwrap();
    let request = ReadRequest { from: ReadFrom::Seq(stored.seq), source: Source::Leader };
    let read = context.reads().unwrap().read(&log, request).await.unwrap();
    assert_eq!(read.entries.first().map(|entry| entry.seq), Some(stored.seq));
    assert!(context.folder().is_none());
    context.tell(TaskState::Working);
    context.stop().cancelled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_each_link_has_a_task_for_each_and_what_it_declares() {
    let bench = Bench::new(ServerOptions::default()).await;
    let links = ["eu", "us"].map(|name| RegionName::new(name).unwrap()).to_vec();
    let config = Config { roles: vec![RELAY], links, ..Config::default() };
    let mut worker = bench.worker_with(config).await;
    worker.wait("its tasks", |readiness| readiness.tasks == 2 && readiness.is_all_working()).await;
    assert_eq!(bench.ends().await.unwrap().last, Seq(2));
    worker.stop().await;
    let config = Config { nats: bench.options(), roles: vec![RELAY], ..Config::default() };
    let error = Worker::start(config).await.err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("the role relay works on links to other regions: name them in `links`"));
    // What a role does not declare, it is not given.
    let bare = Role::new("bare", |_| {
        Work::Region(Box::new(|context| {
            async move {
                if context.appender().is_none() && context.reads().is_none() {
                    context.tell(TaskState::Working);
                }
                context.stop().cancelled().await;
            }
            .boxed()
        }))
    });
    let links = vec![RegionName::new("eu").unwrap()];
    let mut worker = bench.worker_with(Config { roles: vec![RELAY, bare], links, ..Config::default() }).await;
    worker.wait("both at work", Readiness::is_all_working).await;
    worker.stop().await;
}

/// Roles whose task ends though nobody told it to.
const RETURNS: Role = Role::new("returns", |_| Work::Region(Box::new(|_| async {}.boxed())));
const PANICS: Role =
    Role::new("panics", |_| Work::Region(Box::new(|_| async { panic!("as the test wants it") }.boxed())));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_ends_by_itself_ends_the_worker_by_name_and_the_others_hand_over() {
    let bench = Bench::new(ServerOptions::default()).await;
    for (role, expected) in [
        (RETURNS, "the worker's task `returns of region` ended by itself"),
        (PANICS, "the worker's task `panics of region` panicked: the log says where"),
    ] {
        let folder = TempDir::new().unwrap();
        let (nats, roles) = (bench.options(), vec![role, NOTICE]);
        let config = Config { nats, roles, folder: Some(folder.path().to_owned()), ..Config::default() };
        let worker = Worker::start(config).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), worker.run(std::future::pending())).await;
        assert_eq!(ended.expect("an end").unwrap_err().to_string(), expected);
        assert!(folder.path().join("local/notice/region/handed over").exists(), "{role}");
    }
}
