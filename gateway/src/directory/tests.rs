//! Who is where, and what an entry costs those who follow its log.

use bytes::Bytes;
use dunlin_schema::{
    Address, Content, DeviceName, Entry, Epoch, MessageId, Millis, Position, RegionName, Sender, Seq, StreamTime,
    UserName, entry::Body, heads::Head, limits::Bounds,
};

use super::*;
use crate::{
    clock::Moment,
    session::{HeadOf, Outgoing, SentCopies, Session, Setup, Start},
    timer::{Alarm, Timer},
};

pub(super) const SHARDS: u16 = 2;

fn region() -> RegionName {
    RegionName::new("local").unwrap()
}

pub(super) fn mailbox(user: &str) -> Log {
    Log::mailbox(&region(), SHARDS, &UserName::new(user).unwrap())
}

fn directory() -> Directory {
    Directory::new(SHARDS, Arc::new(Metrics::new())).0
}

fn connection(user: &str, device: &str) -> Arc<Connection> {
    connection_at(user, device, Moment::now())
}

/// A connection that was opened then.
pub(super) fn connection_at(user: &str, device: &str, opened: Moment) -> Arc<Connection> {
    let user = UserName::new(user).unwrap();
    let setup = Setup {
        region: region(),
        shards: SHARDS,
        user: user.clone(),
        sent_copies: SentCopies::Always,
        several_devices: false,
        start: Start::Live,
        bounds: &Bounds::STANDARD,
    };
    let who = (user, DeviceName::new(device).unwrap());
    let log = mailbox(who.0.as_str());
    let session = Session::new(setup, Moment::now().wall);
    Arc::new(Connection::new(
        Arc::new(Timer::new()),
        Arc::new(Metrics::new()),
        Alarm::new(),
        &log,
        who,
        session,
        opened,
    ))
}

/// A device that lacks nothing up to entry 1, and has been told so.
fn live(user: &str, device: &str) -> Arc<Connection> {
    let connection = connection(user, device);
    connection.handle(Moment::now(), Input::Subscribed(LogName::Mailbox));
    let head = Some(Head { seq: Seq(1), time: StreamTime(1) });
    let position = Position { epoch: Epoch(1), seq: Seq(1), time: StreamTime(1) };
    connection.tell(Input::Heads(LogName::Mailbox, HeadOf { position, head, floor: Seq(0) }));
    while connection.take_frame().is_some() {}
    connection
}

fn entry(seq: u64) -> LiveEntry {
    let user = |name| UserName::new(name).unwrap();
    let text = Some("hi".to_owned());
    let entry = Entry {
        id: MessageId::from_parts(Millis(seq), 0),
        from: Sender { user: user("alice"), region: region() },
        to: Address::local(user("bob")).said_in(&region()),
        order: None,
        time: Millis(seq),
        body: Body::Content(Content::Message { text, data: None, attachments: vec![], reply_to: None }),
    };
    let position = Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(seq) };
    LiveEntry { position, after: Seq(seq - 1), entry: entry.encode() }
}

pub(super) fn followers(directory: &Directory, user: &str) -> Option<Arc<Followers>> {
    let log = mailbox(user);
    let logs = directory.logs(log.shard).lock();
    logs.get(&log.owner).map(|followed| followed.followers.clone())
}

#[test]
fn a_log_is_there_once_for_as_long_as_somebody_follows_it() {
    let (directory, bob) = (directory(), mailbox("bob"));
    let (phone, web) = (connection("bob", "phone"), connection("bob", "web"));
    directory.join(&bob, &phone).unwrap();
    let first = followers(&directory, "bob").unwrap();
    directory.join(&bob, &web).unwrap();
    assert!(Arc::ptr_eq(&first, &followers(&directory, "bob").unwrap()));
    directory.leave(&phone);
    directory.leave(&phone);
    assert_eq!(first.list.lock().len(), 1);
    directory.leave(&web);
    assert!(followers(&directory, "bob").is_none());
}

#[test]
fn the_same_device_takes_the_place_of_its_older_connection() {
    let (directory, bob) = (directory(), mailbox("bob"));
    let (older, newer) = (connection("bob", "phone"), connection("bob", "phone"));
    directory.join(&bob, &older).unwrap();
    directory.join(&bob, &newer).unwrap();
    assert_eq!((older.alarm().order(), newer.alarm().order()), (Order::Replaced, Order::Stay));
    directory.leave(&older);
    assert_eq!(followers(&directory, "bob").unwrap().list.lock().len(), 1, "the newer one stays");
}

#[test]
fn one_device_too_many_is_refused_and_the_others_stay() {
    let (directory, bob) = (directory(), mailbox("bob"));
    let join = |number: usize| directory.join(&bob, &connection("bob", &format!("device-{number}")));
    for number in 0..limits::DEVICES {
        join(number).unwrap();
    }
    assert_eq!(join(limits::DEVICES), Err(TooMany));
    join(0).unwrap();
    assert_eq!(followers(&directory, "bob").unwrap().list.lock().len(), limits::DEVICES);
}

#[test]
fn who_is_compared_is_subscribed() {
    let (directory, bob) = (directory(), mailbox("bob"));
    let (phone, web) = (live("bob", "phone"), connection("bob", "web"));
    directory.join(&bob, &phone).unwrap();
    directory.join(&bob, &web).unwrap();
    let all: Vec<_> = (0..SHARDS).flat_map(|shard| directory.subscribed(Shard(shard))).collect();
    assert!(all.len() == 1 && Arc::ptr_eq(&all[0], &phone));
}

#[test]
fn devices_of_a_user_are_given_one_frame_between_them() {
    let (directory, bob) = (directory(), mailbox("bob"));
    let devices = ["phone", "web", "tablet"].map(|device| live("bob", device));
    devices.iter().for_each(|device| directory.join(&bob, device).unwrap());
    let log = followers(&directory, "bob").unwrap();
    log.live(entry(2));
    let frames = devices.each_ref().map(|device| match device.take_frame() {
        Some(Outgoing::Entry(frame)) => frame,
        other => panic!("no entry: {other:?}"),
    });
    assert!(frames.iter().all(|frame| Arc::ptr_eq(frame, &frames[0])));
    assert_eq!(log.metrics.live_entries.get(), 1);
}

#[test]
fn a_panic_over_a_live_entry_is_counted_and_the_next_one_is_given() {
    /// Bytes that panic where they are let go.
    struct Bomb;
    impl AsRef<[u8]> for Bomb {
        fn as_ref(&self) -> &[u8] {
            b"no entry"
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as the test wants it");
        }
    }
    let directory = directory();
    let phone = live("bob", "phone");
    directory.join(&mailbox("bob"), &phone).unwrap();
    let log = followers(&directory, "bob").unwrap();
    log.live(LiveEntry { entry: Bytes::from_owner(Bomb), ..entry(2) });
    assert_eq!((log.metrics.panics.get(), phone.alarm().order()), (1, Order::Stay));
    log.live(LiveEntry { after: Seq(1), ..entry(3) });
    assert!(matches!(phone.take_frame(), Some(Outgoing::Entry(_))));
}
