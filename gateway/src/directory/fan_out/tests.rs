//! Who is given an entry how often, and who writes it.

use super::{
    super::tests::{connection, directory, entry, followers_of, live, seq},
    *,
};
use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::Waker,
};

use dunlin_nats::LiveSink;
use dunlin_schema::{
    Code, Epoch, Position, Seq, StreamTime,
    frame::{Encoding, ServerFrame},
    heads::Head,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

use crate::{
    directory::Audience,
    session::HeadOf,
    socket::{Gathering, Socket},
};

#[derive(Default)]
struct Count(AtomicUsize);

impl std::task::Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn many_are_given_each_entry_once_whoever_leaves_meanwhile() {
    let (directory, [team, other]) = (directory(), ["#team", "#other"].map(|log| log.parse().unwrap()));
    let members: Vec<_> = (0..3 * AT_ONCE).map(|number| connection(&format!("user-{number}"), "phone")).collect();
    members.iter().for_each(|member| live(&directory, member, &team));
    members.iter().for_each(|member| live(&directory, member, &other));
    // What each is given until now.
    let given = || members.iter().map(|member| std::iter::from_fn(|| seq(member)).collect::<Vec<_>>());
    let name = team.clone();
    let [team, other] = [team, other].map(|log| followers_of(&directory, "user-0", &log).unwrap());
    team.live(entry(2));
    team.live(entry(3));
    other.live(entry(2));
    assert!(given().all(|seqs| seqs.is_empty()), "nobody waits behind so many");
    assert!(directory.fan_out.turn() && directory.fan_out.turn());
    let had: Vec<_> = given().collect();
    assert!(had.iter().enumerate().all(|(at, seqs)| if at < 2 * AT_ONCE { seqs.is_empty() } else { *seqs == [2, 2] }));
    let leave = [0, AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE - 1];
    leave.iter().for_each(|&at| directory.leave(&members[at], &name));
    while directory.fan_out.turn() {}
    assert!(team.giving.lock().is_none());
    for (at, mut seqs) in given().enumerate() {
        seqs.sort_unstable();
        let expected: &[u64] = match (at < 2 * AT_ONCE, leave.contains(&at)) {
            (true, false) => &[2, 2, 3],
            (true, true) => &[2],
            (false, false) => &[3],
            (false, true) => &[],
        };
        assert_eq!(seqs, expected, "{at}");
    }
}

/// A socket of a connection's, what comes out of it at the other end, and how often the connection's task was woken.
async fn lend(connection: &Connection) -> (TcpStream, Arc<Count>) {
    // The system is to hold little for who does not read.
    let [listening, connecting] = [(); 2].map(|()| TcpSocket::new_v4().unwrap());
    listening.set_send_buffer_size(4_096).unwrap();
    connecting.set_recv_buffer_size(4_096).unwrap();
    listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listening.listen(1).unwrap();
    let client = connecting.connect(listener.local_addr().unwrap()).await.unwrap();
    let socket = Socket::new(listener.accept().await.unwrap().0, Encoding::Json, &[], &Gathering::default());
    connection.lend(Box::new(socket));
    let count = Arc::new(Count::default());
    connection.alarm().register(&Waker::from(count.clone()));
    (client, count)
}

/// The sequences of entries that came, until one that is the last.
async fn came(client: &mut TcpStream, last: u64) -> Vec<u64> {
    let (mut bytes, mut seqs) = (Vec::new(), Vec::new());
    while seqs.last() != Some(&last) {
        assert_ne!(client.read_buf(&mut bytes).await.unwrap(), 0, "{seqs:?}");
        let text = String::from_utf8_lossy(&bytes);
        let seq = |text: &str| text.split_once(',').and_then(|(seq, _)| seq.parse().ok());
        seqs = text.split("\"seq\":").skip(1).filter_map(seq).collect();
    }
    seqs
}

#[tokio::test]
async fn an_entry_is_written_at_once_where_nobody_is_busy() {
    let (directory, team) = (directory(), "#team".parse().unwrap());
    let members: Vec<_> = (0..=AT_ONCE).map(|number| connection(&format!("user-{number}"), "phone")).collect();
    members.iter().for_each(|member| live(&directory, member, &team));
    let log = followers_of(&directory, "user-0", &team).unwrap();
    let give = |seq| {
        log.live(entry(seq));
        while directory.fan_out.turn() {}
    };
    let [rests, busy, slow, ..] = &members[..] else { panic!("there are more") };
    let ((mut first, woken), (mut other, _), (mut third, slowed)) =
        (lend(rests).await, lend(busy).await, lend(slow).await);
    let taken = busy.take_socket().unwrap();
    give(2);
    assert_eq!((came(&mut first, 2).await, woken.0.load(SeqCst), seq(rests)), (vec![2], 0, None));
    assert_eq!(seq(busy), Some(2), "it waits for the task");
    busy.lend(taken);
    busy.answer(ServerFrame::refused(Code::UnknownFrame, "first"));
    give(3);
    assert_eq!(busy.take_frame().map(|frame| matches!(frame.frame(), ServerFrame::Refused { .. })), Some(true));
    assert_eq!(seq(busy), Some(3), "nothing overtakes what the task is to write");
    give(4);
    assert_eq!(came(&mut other, 4).await, [4]);
    // One who does not read. What the system does not take the task writes, and what comes behind it waits.
    let mut last = 4;
    while slowed.0.load(SeqCst) == 0 {
        last += 1;
        give(last);
        came(&mut first, last).await;
    }
    give(last + 1);
    assert_eq!(slowed.0.load(SeqCst), 1, "a waker is taken once");
    let mut socket = slow.take_socket().unwrap();
    let write = poll_fn(|cx| {
        socket.poll_write(cx, &mut |out| {
            while let Some(frame) = slow.take_frame() {
                out.payload(|encoding, out| frame.write(encoding, out));
            }
        })
    });
    let (written, came) = tokio::join!(write, came(&mut third, last + 1));
    written.unwrap();
    assert_eq!(came, (2..=last + 1).collect::<Vec<_>>());
    log.live(entry(last + 2));
    give(last + 3);
    assert_eq!(woken.0.load(SeqCst), 1);
    assert_eq!([(); 2].map(|()| seq(rests)), [Some(last + 2), Some(last + 3)], "its task writes both at once");
}

#[test]
fn the_next_entry_waits_for_all_who_give_the_first() {
    let (directory, team) = (directory(), "#team".parse().unwrap());
    let members: Vec<_> = (0..2 * AT_ONCE).map(|number| connection(&format!("user-{number}"), "phone")).collect();
    members.iter().for_each(|member| live(&directory, member, &team));
    let log = followers_of(&directory, "user-0", &team).unwrap();
    log.live(entry(2));
    log.live(entry(3));
    let turns = [(); 2].map(|()| log.take_some().unwrap());
    assert_eq!(turns.map(|turn| (turn.those.len(), turn.is_more)), [(AT_ONCE, true), (AT_ONCE, false)]);
    assert_eq!([(); 2].map(|()| log.gave_some()), [false, true]);
}

/// An answer that is given before what it tells of would have each of thousands read the log.
#[test]
fn what_a_comparison_says_comes_behind_the_entries_that_came_before_it() {
    let (directory, team) = (directory(), "#team".parse().unwrap());
    let members: Vec<_> = (0..=AT_ONCE).map(|number| connection(&format!("user-{number}"), "phone")).collect();
    members.iter().for_each(|member| live(&directory, member, &team));
    let log = followers_of(&directory, "user-0", &team).unwrap();
    let asked = Audience::of(&log).unwrap();
    let newcomer = connection("newcomer", "phone");
    live(&directory, &newcomer, &team);
    let says = |seq| {
        let position = Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(seq) };
        let head = Some(Head { seq: Seq(seq), time: StreamTime(seq) });
        asked.tell(Ok(HeadOf { position, head, floor: Seq(0) }));
        while directory.fan_out.turn() {}
    };
    log.live(entry(2));
    says(2);
    assert!(members.iter().all(|member| seq(member) == Some(2) && member.take_outputs().is_empty()));
    says(3);
    assert!(members.iter().all(|member| !member.take_outputs().is_empty()), "each reads what it lacks");
    assert!(newcomer.take_outputs().is_empty(), "whoever was not there is told nothing");
}

#[test]
fn what_finds_no_room_is_found_missing() {
    let (directory, team) = (directory(), "#team".parse().unwrap());
    let members: Vec<_> = (0..=AT_ONCE).map(|number| connection(&format!("user-{number}"), "phone")).collect();
    members.iter().for_each(|member| live(&directory, member, &team));
    let log = followers_of(&directory, "user-0", &team).unwrap();
    (0..=WAITING as u64).for_each(|number| log.live(entry(2 + number)));
    assert_eq!(log.metrics.live_let_go.get(), 1);
    while directory.fan_out.turn() {}
    members.iter().for_each(|member| while seq(member).is_some() {});
    log.live(entry(3 + WAITING as u64));
    while directory.fan_out.turn() {}
    assert!(members.iter().all(|member| !member.take_outputs().is_empty()), "each reads the log");
}
