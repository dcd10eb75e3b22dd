//! The live fan-in.

use std::sync::Arc;

use bytes::Bytes;
use dunlin_nats::{ConnectOptions, Connection, FanIn, FanInError, LiveSink, Status, raw};
use dunlin_schema::{
    Epoch, Peer, Position, Seq, StreamTime,
    live::{DeviceNews, LiveEntry, Mark, Receipt, Signal, UserMessage},
    presence::Here,
    subject,
};
use tokio::sync::mpsc;

use crate::support::{Link, Server, region, soon, user};

/// A device, as far as the fan-in sees one.
struct Device(mpsc::UnboundedSender<u64>);

/// What a device hears where something was passed over.
const PASSED_OVER: u64 = u64::MAX;

impl LiveSink for Device {
    fn live(&self, entry: LiveEntry) {
        self.0.send(entry.position.seq.0).ok();
    }

    fn devices(&self, _: DeviceNews) {}

    fn signal(&self, _: Signal) {}

    fn receipt(&self, _: Receipt) {
        self.passed_over();
    }

    fn mark(&self, _: Mark) {
        self.passed_over();
    }

    fn here(&self) -> Option<Here> {
        None
    }

    fn passed_over(&self) {
        self.0.send(PASSED_OVER).ok();
    }
}

fn device() -> (Arc<Device>, mpsc::UnboundedReceiver<u64>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Arc::new(Device(sender)), receiver)
}

async fn publish(connection: &Connection, name: &str, seq: u64) {
    publish_of(connection, &mailbox(name), seq).await;
}

fn mailbox(name: &str) -> Peer {
    Peer::User(user(name))
}

async fn publish_of(connection: &Connection, log: &Peer, seq: u64) {
    let position = Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(seq) };
    let live = LiveEntry { position, after: Seq(seq - 1), entry: Bytes::from_static(b"entry") };
    raw::publish(connection, subject::live(log), UserMessage::Entry(live).encode()).await.unwrap();
    connection.flush().await.unwrap();
}

/// A fan-in whose reader runs.
async fn joining(options: &ConnectOptions) -> FanIn {
    let (fan_in, reader) = FanIn::open(options, &region()).await.unwrap();
    tokio::spawn(reader.run(|| ()));
    fan_in
}

async fn opened(server: &Server) -> (Connection, FanIn) {
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    let fan_in = joining(&server.options()).await;
    (connection, fan_in)
}

/// How many subscriptions the server has for a user, as its monitoring says.
async fn subscriptions(server: &Server, name: &str) -> usize {
    let answer = server.monitor("/subsz?subs=1&limit=100000").await;
    answer.matches(&format!("\"subject\": \"user.{name}\"")).count()
}

/// A release that publishes more than this one knows may run beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_entry_is_passed_over_and_counted() {
    let server = Server::start();
    let (worker, fan_in) = opened(&server).await;
    let (phone, mut heard) = device();
    let _joined = soon("a join", fan_in.join(mailbox("bob"), phone)).await;
    let mark = UserMessage::Mark(Mark { with: "alice@eu".parse().unwrap(), read: Seq(7), revision: Seq(9) });
    for bytes in [mark.encode(), Bytes::from_static(&[1, 99, 1, 2, 3]), Bytes::from_static(b"\xff")] {
        raw::publish(&worker, subject::live(&Peer::User(user("bob"))), bytes).await.unwrap();
    }
    publish(&worker, "bob", 4).await;
    for expected in [PASSED_OVER, PASSED_OVER, PASSED_OVER, 4] {
        assert_eq!(soon("what is heard", heard.recv()).await, Some(expected));
    }
}

/// What a gateway says of a device comes to the others, and costs itself nothing: neither a message for each device that connects, nor the
/// room of one.
#[tokio::test]
async fn what_a_fan_in_says_comes_to_the_others_alone() {
    let server = Server::start();
    let (worker, teller) = opened(&server).await;
    let other = joining(&server.options()).await;
    let ((phone, mut at_teller), (web, mut at_other)) = (device(), device());
    let _joined = soon("a join", teller.join(mailbox("bob"), phone)).await;
    let _also = soon("a join", other.join(mailbox("bob"), web)).await;
    let mark = UserMessage::Mark(Mark { with: "alice@eu".parse().unwrap(), read: Seq(7), revision: Seq(9) });
    teller.tell_others(&Peer::User(user("bob")), &mark).await.unwrap();
    assert_eq!(soon("what is heard", at_other.recv()).await, Some(PASSED_OVER));
    publish(&worker, "bob", 1).await;
    assert_eq!(soon("what is heard", at_other.recv()).await, Some(1));
    assert_eq!(soon("what is heard", at_teller.recv()).await, Some(1), "nothing comes back before it");
}

#[tokio::test]
async fn an_interest_is_in_place_when_the_join_resolves_and_goes_when_it_is_left() {
    let server = Server::monitored();
    let (worker, fan_in) = opened(&server).await;
    let (phone, mut at_phone) = device();
    let joined = fan_in.join(mailbox("bob"), phone).await.unwrap();
    // The very next publish arrives.
    publish(&worker, "bob", 1).await;
    assert_eq!(soon("the first", at_phone.recv()).await, Some(1));
    assert_eq!(subscriptions(&server, "bob").await, 1);
    drop(joined);
    publish(&worker, "bob", 2).await;
    assert_eq!(at_phone.recv().await, None, "who left gets nothing, and is let go");
    soon("the end of the interest", async { while subscriptions(&server, "bob").await > 0 {} }).await;
}

/// A group and a user may have the same name.
#[tokio::test]
async fn what_is_live_of_a_group_comes_to_those_who_joined_its_log() {
    let server = Server::start();
    let (worker, fan_in) = opened(&server).await;
    let (group, mailbox) = (Peer::Group("bob".parse().unwrap()), mailbox("bob"));
    let ((of_group, mut in_group), (of_mailbox, mut in_mailbox)) = (device(), device());
    let _joined = (
        soon("a group", fan_in.join(group.clone(), of_group)).await.unwrap(),
        soon("a mailbox", fan_in.join(mailbox.clone(), of_mailbox)).await.unwrap(),
    );
    publish_of(&worker, &group, 7).await;
    publish_of(&worker, &mailbox, 8).await;
    assert_eq!(soon("the group's entry", in_group.recv()).await, Some(7));
    assert_eq!(soon("the mailbox's entry", in_mailbox.recv()).await, Some(8));
}

#[tokio::test]
async fn who_leaves_and_joins_again_gets_what_follows_once() {
    let server = Server::start();
    let (worker, fan_in) = opened(&server).await;
    for round in 1..=50 {
        let (phone, mut at_phone) = device();
        let joined = fan_in.join(mailbox("bob"), phone).await.unwrap();
        publish(&worker, "bob", round).await;
        assert_eq!(soon("an entry", at_phone.recv()).await, Some(round));
        drop(joined);
        assert_eq!(at_phone.recv().await, None, "nothing else came");
    }
}

#[tokio::test]
async fn a_storm_of_joins_shares_round_trips_and_confirms_each() {
    let server = Server::start();
    let (worker, fan_in) = opened(&server).await;
    let names: Vec<String> = (0..2_000).map(|n| format!("user-{n}")).collect();
    let mut devices = Vec::new();
    let joins = names.iter().map(|name| {
        let (sink, received) = device();
        devices.push(received);
        fan_in.join(mailbox(name), sink)
    });
    let joined = soon("the joins", futures_util::future::try_join_all(joins)).await.unwrap();
    for name in &names {
        let position = Position { epoch: Epoch(1), seq: Seq(7), time: StreamTime(7) };
        let live = LiveEntry { position, after: Seq(0), entry: Bytes::new() };
        raw::publish(&worker, subject::live(&Peer::User(user(name))), UserMessage::Entry(live).encode()).await.unwrap();
    }
    for received in &mut devices {
        assert_eq!(soon("an entry", received.recv()).await, Some(7));
    }
    drop(joined);
}

#[tokio::test]
async fn a_join_that_was_given_up_takes_nothing_from_another() {
    let server = Server::start();
    let (worker, fan_in) = opened(&server).await;
    for round in 1..=50 {
        let ((one, _at_one), (other, mut at_other)) = (device(), device());
        let given_up = fan_in.join(mailbox("bob"), one);
        let kept = fan_in.join(mailbox("bob"), other);
        let joined = {
            tokio::pin!(given_up);
            // Polled once, and dropped.
            assert!(futures_util::poll!(given_up.as_mut()).is_pending());
            kept.await.unwrap()
        };
        publish(&worker, "bob", round).await;
        assert_eq!(soon("an entry", at_other.recv()).await, Some(round));
        drop(joined);
    }
}

#[tokio::test]
async fn a_cut_is_a_loss_and_everything_is_subscribed_again_before_it_is_told() {
    let server = Server::start();
    let link = Link::to(server.port()).await;
    let worker = Connection::open(&server.options(), &region()).await.unwrap();
    let fan_in = joining(&link.options()).await;
    let (phone, mut at_phone) = device();
    let _joined = fan_in.join(mailbox("bob"), phone).await.unwrap();
    let (mut status, mut losses) = (fan_in.status(), fan_in.losses());
    link.cut();
    soon("the cut", status.wait_for(|status| *status == Status::Disconnected)).await.unwrap();
    publish(&worker, "bob", 1).await;
    let (late, mut at_late) = device();
    let late = fan_in.join(mailbox("carol"), late);
    tokio::pin!(late);
    assert!(futures_util::poll!(late.as_mut()).is_pending(), "nothing is confirmed during a cut");
    link.mend();
    soon("the loss", losses.wait_for(|losses| *losses == 1)).await.unwrap();
    publish(&worker, "bob", 2).await;
    assert_eq!(soon("what came after the loss", at_phone.recv()).await, Some(2));
    let _late = soon("the join", late).await.unwrap();
    publish(&worker, "carol", 3).await;
    assert_eq!(soon("an entry", at_late.recv()).await, Some(3));
}

#[tokio::test]
async fn without_a_server_a_join_is_refused_and_leaves_nothing_behind() {
    let mut server = Server::start();
    let (_, fan_in) = opened(&server).await;
    server.kill();
    let (phone, mut at_phone) = device();
    let refused = soon("the refusal", fan_in.join(mailbox("bob"), phone)).await;
    assert_eq!(refused.unwrap_err(), FanInError::Unanswered);
    assert_eq!(soon("the sink's end", at_phone.recv()).await, None);
}

#[tokio::test]
async fn what_a_server_drops_of_who_does_not_read_is_a_loss() {
    /// A device whose sink blocks until it may go on: what a sink must not do, so that nobody reads the connection for certain.
    struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);
    impl LiveSink for Stuck {
        fn live(&self, _: LiveEntry) {
            tokio::task::block_in_place(|| self.0.lock().unwrap().recv().ok());
        }

        fn devices(&self, _: DeviceNews) {}

        fn signal(&self, _: Signal) {}

        fn receipt(&self, _: Receipt) {}

        fn mark(&self, _: Mark) {}

        fn here(&self) -> Option<Here> {
            None
        }

        fn passed_over(&self) {}
    }
    let server = Server::start_with("http: \"127.0.0.1:-1\"\nmax_pending: 1MB");
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    let (go_on, stuck) = std::sync::mpsc::channel();
    let stuck = Arc::new(Stuck(std::sync::Mutex::new(stuck)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = server.options();
    let fan_in = runtime.spawn(async move { joining(&options).await }).await.unwrap();
    let bob = fan_in.join(mailbox("bob"), stuck).await.unwrap();
    let (carols, mut carol_hears) = device();
    let _carol = fan_in.join(mailbox("carol"), carols).await.unwrap();
    let position = Position { epoch: Epoch(1), seq: Seq(1), time: StreamTime(1) };
    let entry = Bytes::from(vec![0; 32 << 10]);
    let live = UserMessage::Entry(LiveEntry { position, after: Seq(0), entry }).encode();
    soon("the server to give up", async {
        while !server.monitor("/varz").await.contains("\"slow_consumers\": 1") {
            for _ in 0..100 {
                raw::publish(&connection, subject::live(&mailbox("bob")), live.clone()).await.unwrap();
            }
            connection.flush().await.unwrap();
        }
    })
    .await;
    let mut losses = fan_in.losses();
    assert_eq!(*losses.borrow(), 0, "a loss is told when every interest is in place again");
    drop(go_on);
    soon("the loss", losses.wait_for(|losses| *losses == 1)).await.unwrap();
    publish(&connection, "carol", 7).await;
    assert_eq!(soon("an entry", carol_hears.recv()).await, Some(7));
    drop(bob);
    drop(fan_in);
    runtime.shutdown_background();
}
