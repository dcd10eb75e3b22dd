//! Whoever asks to be erased is gone from logs and records, and whoever comes under the name later begins anew.

use dunlin_nats::{ConnectOptions, Connection, Records};
use dunlin_schema::{
    Millis, Seq,
    erasure::{Erasure, Stage},
    subject,
};
use dunlin_tests::region::RegionOptions;
use dunlin_workers::erase::{Erase, Sent};

use super::*;

pub(super) async fn ask(device: &mut Device, confirm: &str) {
    device.say(json!({ "ask": { "ref": 1, "what": { "erase": { "confirm": confirm } } } })).await;
}

pub(super) async fn records(region: &Region) -> Records {
    let options = ConnectOptions { servers: vec![region.nats.url()], ..ConnectOptions::default() };
    Records::new(&Connection::open(&options, &region.settings().region).await.expect("a connection"))
}

/// How far somebody's erasure is, where one was asked for, and when the record was written that says so.
pub(super) async fn stage(region: &Region, user: &str) -> Option<(Stage, Seq)> {
    let mailbox = region.mailbox(user);
    let subject = subject::erasure(&mailbox.region, mailbox.shard, &user.parse().expect("a name"));
    let record = records(region).await.load(mailbox.shard, &subject).await.expect("an answer")?;
    Some((Erasure::decode(&record.bytes).expect("an erasure").stage, record.revision))
}

/// The records that name somebody, but for how the shards' readers stand and that somebody was erased.
pub(super) async fn records_of(region: &Region, user: &str) -> Vec<String> {
    let records = records(region).await;
    let mut named = vec![];
    for shard in region.settings().shards() {
        let mut from = Some(Seq(0));
        while let Some(begin) = from {
            let pattern = format!("state.{}.{shard}.>", region.settings().region);
            let page = records.page(shard, &pattern, begin).await.expect("records");
            let subjects = page.records.into_iter().map(|(subject, _)| subject);
            named.extend(subjects.filter(|subject| subject.split('.').skip(3).any(|token| token == user)));
            from = page.next;
        }
    }
    named.retain(|subject| !subject.contains(".reader.") && !subject.contains(".erasure."));
    named
}

pub(super) async fn gone(region: &Region, user: &str) {
    let gone = async || {
        let is_done = matches!(stage(region, user).await, Some((Stage::Done(_), _)));
        (is_done && records_of(region, user).await.is_empty()).then_some(())
    };
    within(Duration::from_secs(60), "nothing but the erasure to be recorded", gone).await;
}

/// The device has everything, and this is stored.
pub(super) async fn acknowledge(region: &Region, device: &mut Device, user: &str, seq: &Value) {
    device.say(json!({ "ack": { "log": "mailbox", "delivered": seq } })).await;
    until("the acknowledgement to be stored", async || {
        records_of(region, user).await.iter().any(|subject| subject.contains(".device.")).then_some(())
    })
    .await;
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970").as_millis() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_of_a_person_goes_and_the_name_can_be_used_again() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut laptop = region.caught_up(1, "bob", "laptop").await;
    let (note, said, heard, title) = (marker("note"), marker("said"), marker("heard"), marker("title"));
    bob.send_accepted("bob", &note).await;
    bob.send_accepted("alice", &said).await;
    alice.send_accepted("bob", &heard).await;
    let entry = next_message(&mut laptop).await;
    acknowledge(&region, &mut laptop, "bob", &entry["seq"]).await;
    let name = json!({ "device_name": { "device": "laptop", "title": title } });
    bob.ask(2, name).await.expect("a name");
    for confirm in ["", "alice", "Bob", "bob ", "bob@local"] {
        ask(&mut bob, confirm).await;
        let refused = bob.expect("refused").await;
        assert_eq!((&refused["ref"], &refused["code"]), (&json!(1), &json!("bad_question")), "{confirm:?}: {refused}");
    }
    assert_eq!(region.stored("bob").await.len(), 3, "nothing was erased by mistake");
    until("both to be in a file", async || (region.nats.stores(&note) && region.nats.stores(&title)).then_some(()))
        .await;
    ask(&mut bob, "bob").await;
    let answer = bob.expect("answer").await;
    assert_eq!(answer, json!({ "ref": 1, "what": { "done": {} } }));
    for device in [&mut bob, &mut laptop] {
        assert_eq!(device.end().await.code(), Some("token_revoked"));
    }
    gone(&region, "bob").await;
    assert!(region.stored("bob").await.is_empty());
    assert!(!region.nats.stores(&note) && !region.nats.stores(&title));
    // What others have is theirs.
    assert!(region.nats.stores(&said) && region.nats.stores(&heard));
    assert_eq!(region.stored("alice").await.len(), 2);
    let mut again = region.connect(1, "bob", "laptop", entry["cursor"].as_str()).await;
    assert_eq!(again.catch_up().await.0, Vec::<Value>::new());
    alice.send_accepted("bob", "welcome").await;
    assert_eq!(text(&next_message(&mut again).await), "welcome");
    let (entries, _) = region.connect(0, "bob", "tablet", None).await.catch_up().await;
    assert_eq!(entries.len(), 1);
}

/// A user whose name is a role's, in a region that removes what was sent, whose worker is killed before it begins and in the midst of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_goes_as_well_where_the_setting_says_so_however_often_it_is_interrupted() {
    let erase = Erase { sent: Sent::Remove };
    let mut region = Region::start_with(RegionOptions { gateways: 2, erase, ..RegionOptions::default() }).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut leaver = region.caught_up(1, "deliver", "phone").await;
    let said = marker("said");
    let kept = alice.send_accepted("carol", "of somebody else").await["id"].clone();
    let mut sent = vec![];
    for number in 0..30 {
        let to = if number % 2 == 0 { "alice" } else { "carol" };
        let message = leaver.send_accepted(to, &said).await["id"].clone();
        sent.push((to, say(&mut leaver, to, edit(&message, &said)).await["id"].clone()));
        sent.push((to, message));
    }
    say(&mut leaver, "alice", react(&sent[1].1)).await;
    let (entries, _) = region.connect(0, "alice", "tablet", None).await.catch_up().await;
    until("it to be in a file", async || region.nats.stores(&said).then_some(())).await;
    ask(&mut leaver, "deliver").await;
    leaver.expect("answer").await;
    region.workers.pop().expect("a worker").kill();
    let first = region.new_worker("first").await;
    erased(&region, "alice", &sent[1].1).await;
    first.kill();
    region.workers.push(region.new_worker("first").await);
    gone(&region, "deliver").await;
    assert!(region.stored("deliver").await.is_empty());
    for (to, id) in &sent {
        let (entries, tombstones) = of_id(&region, to, id).await;
        assert!(entries == 0 && (1..=2).contains(&tombstones), "{to} {id}: {entries} {tombstones}");
    }
    assert!(!region.nats.stores(&said));
    // Nobody misses anything else, or is told of a gap.
    assert_eq!(of_id(&region, "carol", &kept).await, (1, 0));
    for entry in entries.iter().step_by(9) {
        let cursor = entry["cursor"].as_str();
        let (left, _) = region.connect(1, "alice", "tablet", cursor).await.catch_up().await;
        assert!(left.iter().all(|entry| entry["from"] == "alice@local" || entry["from"] == "alice"), "{left:?}");
    }
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let last = alice.send_accepted("carol", "the shard is still read").await["id"].clone();
    assert_eq!(next_message(&mut carol).await["id"], last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_under_the_name_later_is_not_erased_with_it() {
    let mut region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    alice.send_accepted("bob", "of before").await;
    ask(&mut bob, "bob").await;
    bob.expect("answer").await;
    region.workers.pop().expect("a worker").kill();
    let until_then = now() + 5_500;
    until("what is of before to be over", async || (now() > until_then).then_some(())).await;
    let later = alice.send_accepted("bob", "to whoever comes").await;
    region.workers.push(region.new_worker("first").await);
    gone(&region, "bob").await;
    let stored = region.stored("bob").await;
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert_eq!(
        (stored[0].id.to_string(), stored[0].time),
        (later["id"].as_str().expect("an id").to_owned(), Millis(later["time"].as_u64().expect("a time")))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_never_was_there_is_erased_and_asking_twice_does_no_harm() {
    let region = Region::start(1).await;
    for device in ["phone", "phone"] {
        let mut dave = region.caught_up(0, "dave", device).await;
        ask(&mut dave, "dave").await;
        dave.expect("answer").await;
        assert_eq!(dave.end().await.code(), Some("token_revoked"));
    }
    gone(&region, "dave").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_and_workers_go_by_nothing_that_was_erased() {
    let region = Region::start(2).await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let order = bob.send_accepted("carol", "of before").await["order"].clone();
    next_message(&mut carol).await;
    let read = json!({ "read": { "with": "bob", "upto": order } });
    let marked = json!({ "with": "bob", "read": order });
    carol.say(read.clone()).await;
    assert_eq!(carol.expect("marked").await, marked);
    // Carol's gateway has seen that bob lets her write no more.
    bob.ask(2, json!({ "block": { "user": "carol" } })).await.expect("a block");
    until("carol to be refused", async || {
        let id = carol.send("bob", "let me in").await;
        carol.answer(&id).await.is_err().then_some(())
    })
    .await;
    ask(&mut bob, "bob").await;
    bob.expect("answer").await;
    gone(&region, "bob").await;
    until("carol to be let in by whoever comes under the name", async || {
        let id = carol.send("bob", "welcome").await;
        carol.answer(&id).await.ok()
    })
    .await;
    // What she has read is forgotten with bob; when she says it again it is stored again.
    let said_again = async || {
        carol.say(read.clone()).await;
        carol.expect("marked").await;
        records_of(&region, "bob").await.into_iter().find(|subject| subject.contains(".mark.carol.read."))
    };
    until("what carol has read to be stored", said_again).await;
}
