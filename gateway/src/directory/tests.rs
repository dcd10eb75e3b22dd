//! Who is where, and what an entry costs those who follow its log.

use bytes::Bytes;
use dunlin_schema::{
    Address, Content, Cursor, DeviceName, Entry, Epoch, MessageId, Millis, Position, RegionName, Sender, Seq,
    StreamTime, UserName, Windows, entry::Body, frame::ServerFrame, heads::Head, index::Place, limits::Bounds, live,
    live::ConnectionId,
};

use super::*;
use crate::{
    session::{HeadOf, Outgoing, Output, SentCopies, Session, Setup, SharedFrame, Sight, Start},
    timer::{Alarm, Order, Timer},
    tokens::Token,
};

pub(super) const SHARDS: u16 = 2;
const MAILBOX: LogName = LogName::Mailbox;

fn region() -> RegionName {
    RegionName::new("local").unwrap()
}

pub(super) fn mailbox(user: &str) -> Log {
    Log::mailbox(&region(), SHARDS, &UserName::new(user).unwrap())
}

/// A region's directory.
pub(super) fn new(metrics: Arc<Metrics>) -> (Directory, News) {
    Directory::new(region(), SHARDS, metrics)
}

pub(super) fn directory() -> Directory {
    new(Arc::new(Metrics::new())).0
}

pub(super) fn connection(user: &str, device: &str) -> Arc<Connection> {
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
        bounds: &Bounds::STANDARD,
    };
    let who = (user, DeviceName::new(device).unwrap(), Token::default());
    let shard = mailbox(who.0.as_str()).shard;
    let session = Session::new(setup);
    Arc::new(Connection::new(
        Arc::new(Timer::new()),
        Arc::new(Metrics::new()),
        Alarm::new(),
        shard,
        who,
        session,
        opened,
    ))
}

/// Follows a log for a connection. It lacks nothing up to entry 1, and has been told so.
pub(super) fn live(directory: &Directory, connection: &Arc<Connection>, log: &LogName) {
    let position = Position { epoch: Epoch(1), seq: Seq(1), time: StreamTime(1) };
    let start = Start::Cursor(Cursor { at: Moment::now().wall, ..Cursor::of_entry(position) });
    connection.handle(Moment::now(), Input::Follow { log: log.clone(), start });
    let followers = directory.follow(connection, log.clone()).unwrap();
    connection.handle(Moment::now(), Input::Subscribed(log.clone()));
    followers.subscribed(connection);
    let head = Some(Head { seq: Seq(1), time: StreamTime(1) });
    Audience::one(&followers, connection).tell(Ok(HeadOf { position, head, floor: Seq(0) }));
    for output in connection.take_outputs() {
        if let Output::Look(log, number) = output {
            let upto = Place { seq: Seq(1), time: StreamTime(1) };
            let sight = Sight { windows: Windows::open_from(Seq(1)), upto };
            connection.handle(Moment::now(), Input::Looked(log, number, Ok(sight)));
        }
    }
    while connection.take_frame().is_some() {}
    connection.take_outputs();
}

pub(super) fn entry(seq: u64) -> LiveEntry {
    let user = |name| UserName::new(name).unwrap();
    let text = Some("hi".to_owned());
    let entry = Entry {
        id: MessageId::from_parts(Millis(seq), 0),
        from: Sender { user: user("alice"), region: region() },
        to: Address::local(user("bob")).said_in(&region()),
        order: None,
        time: Millis(seq),
        body: Body::Content(Content::Message {
            text,
            data: None,
            attachments: vec![],
            reply_to: None,
            mentions: vec![],
        }),
    };
    let position = Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(seq) };
    LiveEntry { position, after: Seq(seq - 1), entry: entry.encode() }
}

pub(super) fn followers_of(directory: &Directory, user: &str, log: &LogName) -> Option<Arc<Followers>> {
    let place = Log::named(&region(), SHARDS, &UserName::new(user).unwrap(), log);
    let logs = directory.logs(place.shard).lock();
    logs.get(&place.owner).map(|followed| followed.followers.clone())
}

pub(super) fn followers(directory: &Directory, user: &str) -> Option<Arc<Followers>> {
    followers_of(directory, user, &MAILBOX)
}

/// The sequence of the next frame, where that is an entry.
pub(super) fn seq(connection: &Connection) -> Option<u64> {
    let frame = connection.take_frame()?;
    let ServerFrame::Entry(entry) = frame.frame() else { panic!("no entry: {frame:?}") };
    Some(entry.seq.0)
}

fn frame(connection: &Connection) -> Arc<SharedFrame> {
    match connection.take_frame() {
        Some(Outgoing::Entry(frame)) => frame,
        other => panic!("no entry: {other:?}"),
    }
}

#[test]
fn a_log_is_there_once_for_as_long_as_somebody_follows_it() {
    let directory = directory();
    let (phone, web) = (connection("bob", "phone"), connection("bob", "web"));
    directory.follow(&phone, MAILBOX).unwrap();
    let first = followers(&directory, "bob").unwrap();
    directory.follow(&web, MAILBOX).unwrap();
    assert!(Arc::ptr_eq(&first, &followers(&directory, "bob").unwrap()));
    directory.leave(&phone, &MAILBOX);
    directory.leave(&phone, &MAILBOX);
    assert_eq!(first.list.lock().len(), 1);
    directory.leave(&web, &MAILBOX);
    assert!(followers(&directory, "bob").is_none());
}

#[test]
fn the_same_device_takes_the_place_of_its_older_connection() {
    let directory = directory();
    let (older, newer) = (connection("bob", "phone"), connection("bob", "phone"));
    directory.follow(&older, MAILBOX).unwrap();
    directory.follow(&newer, MAILBOX).unwrap();
    assert_eq!((older.alarm().order(), newer.alarm().order()), (Order::Replaced, Order::Stay));
    directory.leave(&older, &MAILBOX);
    assert_eq!(followers(&directory, "bob").unwrap().list.lock().len(), 1, "the newer one stays");
}

#[test]
fn one_device_too_many_is_refused_and_the_others_stay() {
    let directory = directory();
    let join = |number: usize| directory.follow(&connection("bob", &format!("device-{number}")), MAILBOX).map(drop);
    for number in 0..limits::DEVICES {
        join(number).unwrap();
    }
    assert_eq!(join(limits::DEVICES).err(), Some(TooMany));
    join(0).unwrap();
    assert_eq!(followers(&directory, "bob").unwrap().list.lock().len(), limits::DEVICES);
}

/// What a comparison would ask about: the logs, each with the devices that are told.
fn compared(directory: &Directory) -> Vec<(String, Vec<String>)> {
    let logs = (0..SHARDS).flat_map(|shard| directory.followed(Shard(shard)));
    let devices = |list: Vec<Audience>| {
        let mut devices = Vec::new();
        list.iter().for_each(|audience| audience.each(|one| devices.push(one.device().to_string())));
        devices
    };
    let mut logs: Vec<_> = logs.map(|(log, list)| (log.to_string(), devices(list))).collect();
    logs.sort();
    logs
}

#[test]
fn each_log_is_compared_once_for_those_who_know_that_they_follow_it() {
    let (directory, team): (_, LogName) = (directory(), "#team".parse().unwrap());
    let (phone, web, other) = (connection("bob", "phone"), connection("bob", "web"), connection("carol", "other"));
    live(&directory, &phone, &MAILBOX);
    directory.follow(&web, MAILBOX).unwrap();
    live(&directory, &web, &team);
    live(&directory, &other, &team);
    let said = |log: &str, devices: &[&str]| (log.to_owned(), devices.iter().map(|&one| one.to_owned()).collect());
    assert_eq!(compared(&directory), [said("#team", &["web", "other"]), said("bob", &["phone"])]);
    directory.leave(&phone, &MAILBOX);
    directory.leave(&other, &team);
    assert_eq!(compared(&directory), [said("#team", &["web"])]);
}

/// What came meanwhile may have passed by whoever was not there all the time.
#[test]
fn who_has_left_is_told_nothing_of_what_was_asked_before_though_they_are_back() {
    let (directory, team): (_, LogName) = (directory(), "#team".parse().unwrap());
    let (phone, web) = (connection("bob", "phone"), connection("carol", "web"));
    live(&directory, &web, &team);
    live(&directory, &phone, &team);
    let followers = followers_of(&directory, "bob", &team).unwrap();
    let asked = [Audience::of(&followers).unwrap(), Audience::one(&followers, &phone)];
    let told = |asked: &Audience| {
        let mut told = Vec::new();
        asked.each(|one| told.push(one.device().to_string()));
        told
    };
    assert_eq!(asked.each_ref().map(told), [vec!["web", "phone"], vec!["phone"]]);
    directory.leave(&phone, &team);
    assert_eq!(asked.each_ref().map(told), [vec!["web"], vec![]]);
    directory.follow(&phone, team.clone()).unwrap();
    followers.subscribed(&phone);
    assert_eq!(asked.each_ref().map(told), [vec!["web"], vec![]]);
    assert_eq!(told(&Audience::of(&followers).unwrap()), ["web", "phone"]);
    let again = Audience::one(&followers, &phone);
    assert_eq!(told(&again), ["phone"]);
    // The interest was asked for twice, since it was followed twice.
    assert!(!followers.waits(&phone));
    followers.subscribed(&phone);
    assert_eq!(told(&again), ["phone"]);
}

/// Tens of thousands of connections follow a hundred logs each.
#[test]
fn a_follower_is_small() {
    assert!(size_of::<Follower>() <= 16, "{} bytes", size_of::<Follower>());
}

#[test]
fn devices_of_a_user_are_given_one_frame_between_them() {
    let directory = directory();
    let devices = ["phone", "web", "tablet"].map(|device| connection("bob", device));
    devices.iter().for_each(|device| live(&directory, device, &MAILBOX));
    let log = followers(&directory, "bob").unwrap();
    log.live(entry(2));
    let frames = devices.each_ref().map(|device| frame(device));
    assert!(frames.iter().all(|frame| Arc::ptr_eq(frame, &frames[0])));
    assert_eq!(log.metrics.live_entries.get(), 1);
}

#[test]
fn members_of_a_group_are_given_one_frame_between_them_beside_their_mailboxes() {
    let (directory, team): (_, LogName) = (directory(), "#team".parse().unwrap());
    let devices = ["alice", "bob", "carol"].map(|user| connection(user, "phone"));
    for device in &devices {
        live(&directory, device, &MAILBOX);
        live(&directory, device, &team);
    }
    followers_of(&directory, "bob", &team).unwrap().live(entry(2));
    let frames = devices.each_ref().map(|device| frame(device));
    assert!(frames.iter().all(|frame| Arc::ptr_eq(frame, &frames[0])));
    followers(&directory, "bob").unwrap().live(entry(2));
    assert_eq!(devices.each_ref().map(|device| device.take_frame().is_some()), [false, true, false]);
}

/// They are each other's strangers: no device of one is told to end because of another.
#[test]
fn in_a_group_devices_of_one_name_meet() {
    let (directory, team): (_, LogName) = (directory(), "#team".parse().unwrap());
    let members: Vec<_> = (0..=limits::DEVICES).map(|number| connection(&format!("user-{number}"), "phone")).collect();
    members.iter().for_each(|member| live(&directory, member, &team));
    let log = followers_of(&directory, "bob", &team).unwrap();
    assert_eq!(log.list.lock().len(), limits::DEVICES + 1);
    let connection = ConnectionId { time: Millis(u64::MAX), nonce: 1 };
    let joined = live::Joined { device: members[0].device().clone(), connection };
    log.devices(DeviceNews::Joined(joined.clone()));
    log.devices(DeviceNews::Met(live::Met { joined, earlier: vec![], replaced: true }));
    assert!(members.iter().all(|member| member.alarm().order() == Order::Stay));
    assert_eq!(log.metrics.live_passed_over.get(), 2);
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
    let phone = connection("bob", "phone");
    live(&directory, &phone, &MAILBOX);
    let log = followers(&directory, "bob").unwrap();
    log.live(LiveEntry { entry: Bytes::from_owner(Bomb), ..entry(2) });
    assert_eq!((log.metrics.panics.get(), phone.alarm().order()), (1, Order::Stay));
    log.live(LiveEntry { after: Seq(1), ..entry(3) });
    assert!(matches!(phone.take_frame(), Some(Outgoing::Entry(_))));
}
