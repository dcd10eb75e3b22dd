//! Reads that are answered together: the very same answers as alone, whatever happens to the shard meanwhile.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use dunlin_nats::{Appender, Item, ReadError, Reads};
use dunlin_schema::{
    Log, Seq, limits,
    read::{ReadAnswer, ReadFrom, ReadRequest, Source},
};
use futures_util::future::{join_all, try_join_all};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::support::{Link, Server, first, id, mailbox, now, region, settings, soon};

const PEOPLE: usize = 40;

/// What was stored, by mailbox, in order.
#[derive(Default)]
struct Stored(Mutex<HashMap<usize, Vec<Seq>>>);

impl Stored {
    fn all(&self, who: usize) -> Vec<Seq> {
        let mut all = self.0.lock().get(&who).cloned().unwrap_or_default();
        all.sort();
        all
    }
}

fn of(who: usize) -> Log {
    mailbox(&format!("person-{who}"))
}

async fn append(appender: &Appender, stored: &Stored, who: usize) {
    let item = Item { log: of(who), ..first(id(now()), "hello") };
    let seq = appender.append(item).await.unwrap().seq;
    stored.0.lock().entry(who).or_default().push(seq);
}

async fn fill(appender: &Appender, stored: &Stored, random: &mut StdRng, each: std::ops::Range<usize>) {
    let mut whose: Vec<usize> =
        (0..PEOPLE).flat_map(|who| std::iter::repeat_n(who, random.random_range(each.clone()))).collect();
    whose.shuffle(random);
    for some in whose.chunks(500) {
        join_all(some.iter().map(|who| append(appender, stored, *who))).await;
    }
}

fn request(from: u64, source: Source) -> ReadRequest {
    ReadRequest { from: ReadFrom::Seq(Seq(from)), source }
}

fn seqs(answer: &ReadAnswer) -> Vec<Seq> {
    answer.entries.iter().map(|entry| entry.seq).collect()
}

/// Everybody reads, until some of it was answered together.
async fn crowd(reads: &Reads) {
    soon("reads together", async {
        while reads.answered_together() == 0 {
            try_join_all((0..PEOPLE).map(|who| async move { reads.read(&of(who), request(1, Source::Any)).await }))
                .await
                .unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_crowd_gets_the_answers_of_single_reads() {
    let server = Server::start();
    server.provisioned().await;
    let (appender, reads, stored) = (server.appender().await, server.reads().await, Stored::default());
    let mut random = StdRng::seed_from_u64(1);
    fill(&appender, &stored, &mut random, 0..120).await;
    crowd(&reads).await;
    let before = reads.answered_together();
    let end = (0..PEOPLE).flat_map(|who| stored.all(who)).max().unwrap();
    let asked: Vec<(usize, u64, Source)> = (0..400)
        .map(|n| {
            let source = if n % 2 == 0 { Source::Any } else { Source::Leader };
            (random.random_range(0..PEOPLE + 2), random.random_range(0..end.0 + 5), source)
        })
        .collect();
    let (reads, stored) = (&reads, &stored);
    join_all(asked.into_iter().map(|(who, from, source)| async move {
        let answer = reads.read(&of(who), request(from, source)).await.unwrap();
        let all = stored.all(who);
        let expected: Vec<Seq> = all.iter().copied().filter(|seq| seq.0 >= from).collect();
        assert_eq!((seqs(&answer), answer.more), (expected.clone(), false), "{who} from {from} by {source:?}");
        match (source, answer.evidence) {
            (Source::Any, evidence) => assert_eq!(evidence, None),
            (Source::Leader, evidence) => {
                let evidence = evidence.unwrap();
                let said = (evidence.first, evidence.stream_last, evidence.weight);
                assert_eq!(said, (all.first().copied(), end, expected.len() as u64), "{who} from {from}");
            }
        }
    }))
    .await;
    assert!(reads.answered_together() > before + 200, "{} of 400", reads.answered_together() - before);
}

#[tokio::test]
async fn long_mailboxes_come_in_pages_out_of_a_window_too() {
    let server = Server::start();
    server.provisioned().await;
    let (appender, reads, stored) = (server.appender().await, server.reads().await, Stored::default());
    fill(&appender, &stored, &mut StdRng::seed_from_u64(2), 20..40).await;
    for _ in 0..3 {
        join_all((0..200).map(|_| append(&appender, &stored, 0))).await;
    }
    crowd(&reads).await;
    let before = reads.answered_together();
    let (mut from, mut got) = (1, Vec::new());
    loop {
        let page = reads.read(&of(0), request(from, Source::Any)).await.unwrap();
        got.extend(seqs(&page));
        if !page.more {
            break;
        }
        assert_eq!(page.entries.len(), limits::READ_ENTRIES);
        from = got.last().unwrap().0 + 1;
    }
    assert_eq!(got, stored.all(0));
    assert!(reads.answered_together() > before);
}

/// Reads and stores at once, with a log's bound of `keeps` entries: no answer has a hole, and none misses what was stored before it was
/// asked.
async fn stores_and_reads(keeps: Option<i64>, seed: u64) {
    let server = Server::start();
    server.provisioned().await;
    if let Some(keeps) = keeps {
        let stream = server.stranger().await;
        let mut config = stream.get_stream("LOG_test_0").await.unwrap().cached_info().config.clone();
        config.max_messages_per_subject = keeps;
        stream.update_stream(config).await.unwrap();
    }
    let (appender, reads, stored) = (server.appender().await, server.reads().await, Stored::default());
    fill(&appender, &stored, &mut StdRng::seed_from_u64(seed), 40..60).await;
    crowd(&reads).await;
    let ended = AtomicBool::new(false);
    let (reads, stored, appender, ended) = (&reads, &stored, &appender, &ended);
    let before = reads.answered_together();
    let storing = async {
        let mut random = StdRng::seed_from_u64(seed + 1);
        while reads.answered_together() < before + 300 {
            let whose: Vec<usize> = (0..20).map(|_| random.random_range(0..PEOPLE)).collect();
            join_all(whose.iter().map(|who| append(appender, stored, *who))).await;
        }
        ended.store(true, Ordering::Relaxed);
    };
    let reading = join_all((0..PEOPLE).map(|who| async move {
        let mut random = StdRng::seed_from_u64(seed + 2 + who as u64);
        while !ended.load(Ordering::Relaxed) {
            let had = stored.all(who);
            let from = had[random.random_range(0..had.len())].0;
            let source = if random.random() { Source::Any } else { Source::Leader };
            let answer = reads.read(&of(who), request(from, source)).await.unwrap();
            let got = seqs(&answer);
            // What is stored is known here a moment later.
            let all = soon("what was stored to be known", async {
                loop {
                    let all = stored.all(who);
                    if got.iter().all(|seq| all.contains(seq)) {
                        return all;
                    }
                    tokio::task::yield_now().await;
                }
            })
            .await;
            let begin = got.first().copied().unwrap_or(Seq(u64::MAX));
            let end = got.last().copied().unwrap_or(Seq(0));
            let without_hole: Vec<Seq> = all.into_iter().filter(|seq| (begin..=end).contains(seq)).collect();
            assert_eq!(got, without_hole, "{who} from {from} by {source:?}");
            assert!(answer.more || had.last() <= Some(&end), "{who} from {from}: {end:?} before {:?}", had.last());
            if keeps.is_none() {
                assert_eq!(begin.0, from, "{who} from {from}: nothing was taken away");
            }
        }
    }));
    soon("reads while it is stored", futures_util::future::join(storing, reading)).await;
}

#[tokio::test]
async fn what_is_stored_before_a_read_is_asked_is_in_its_answer() {
    stores_and_reads(None, 3).await;
}

#[tokio::test]
async fn no_answer_has_a_hole_where_entries_are_taken_away_meanwhile() {
    stores_and_reads(Some(45), 4).await;
}

#[tokio::test]
async fn a_cut_ends_in_right_answers_or_none() {
    let server = Server::start();
    server.provisioned().await;
    let link = Link::to(server.port()).await;
    let (appender, stored) = (server.appender().await, Stored::default());
    let reads = Reads::open(&link.options(), &settings()).await.unwrap();
    fill(&appender, &stored, &mut StdRng::seed_from_u64(5), 40..60).await;
    crowd(&reads).await;
    let (reads, stored) = (&reads, &stored);
    let read = |who: usize| async move {
        let answer = reads.read(&of(who), request(1, Source::Leader)).await?;
        assert_eq!((seqs(&answer), answer.more), (stored.all(who), false), "{who}");
        Ok::<(), ReadError>(())
    };
    let cut = async {
        link.cut();
        tokio::task::yield_now().await;
        link.mend();
    };
    let (answers, ()) = futures_util::future::join(join_all((0..PEOPLE).map(read)), cut).await;
    assert!(answers.iter().all(|answer| !matches!(answer, Err(ReadError::Unreadable(_)))), "{answers:?}");
    let before = reads.answered_together();
    soon("reads together again", async {
        while reads.answered_together() == before {
            join_all((0..PEOPLE).map(read)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_log_that_went_back_gives_nothing_of_before() {
    let server = Server::start();
    server.provisioned().await;
    let (appender, reads, stored) = (server.appender().await, server.reads().await, Stored::default());
    fill(&appender, &stored, &mut StdRng::seed_from_u64(6), 40..60).await;
    crowd(&reads).await;
    let stream = server.stranger().await;
    stream.delete_stream("LOG_test_0").await.unwrap();
    dunlin_nats::provision(&server.provisioned().await, &settings()).await.unwrap();
    let fresh = Stored::default();
    let appender = server.appender().await;
    fill(&appender, &fresh, &mut StdRng::seed_from_u64(7), 50..70).await;
    for who in 0..PEOPLE {
        let answer = reads.read(&of(who), request(1, Source::Any)).await.unwrap();
        assert_eq!(seqs(&answer), fresh.all(who), "{who} in {}", region());
    }
}
