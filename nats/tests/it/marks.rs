//! Marks of users, as a gateway reads them.

use dunlin_nats::{Connection, MarkValue, Marks, MarksError, Records, service::AskError};
use dunlin_schema::{
    Epoch, Millis, Peer, Seq, Shard, UserName, limits,
    record::{ReadMark, SentMarks},
    subject,
};

use crate::support::{Server, region, user};

const SHARD: Shard = Shard(0);

fn sent(from: &str, to: &UserName) -> String {
    subject::sent_marks(&region(), SHARD, &user(from), &Peer::User(to.clone()), &region())
}

fn delivered(order: u64) -> SentMarks {
    SentMarks { epoch: Epoch(1), delivered: Some(Seq(order)), ..SentMarks::default() }
}

async fn marks(server: &Server, connection: &Connection) -> Marks {
    Marks::new(connection, &server.reads().await)
}

#[tokio::test]
async fn a_user_s_marks_come_in_pages_above_a_revision_and_no_one_else_s() {
    const PEERS: usize = limits::READ_ENTRIES + 10;
    let server = Server::start();
    let connection = server.provisioned().await;
    let (marks, records) = (marks(&server, &connection).await, Records::new(&connection));
    let nothing = marks.of(SHARD, &user("alice"), Seq(0)).await.unwrap();
    assert_eq!((nothing.marks.len(), nothing.upto, nothing.more), (0, Seq(0), false));
    let mut revisions = Vec::new();
    for number in 0..PEERS {
        let peer = user(&format!("peer-{number}"));
        records.save(&sent("alic", &peer), delivered(1).encode(), Seq(0)).await.unwrap();
        revisions.push(records.save(&sent("alice", &peer), delivered(7).encode(), Seq(0)).await.unwrap());
    }
    // The first one rises again, and so is the last one.
    revisions.remove(0);
    let first = sent("alice", &user("peer-0"));
    revisions.push(records.save(&first, delivered(9).encode(), Seq(2)).await.unwrap());
    // What nobody can read is passed over, not stumbled over.
    let spoilt = sent("alice", &user("spoilt"));
    let spoilt = records.save(&spoilt, "not marks", Seq(0)).await.unwrap();
    let read = ReadMark { epoch: Epoch(1), order: Seq(3), time: Millis(4) };
    let subject = subject::read_mark(&region(), SHARD, &user("alice"), &Peer::User(user("bob")), &region());
    revisions.push(records.save(&subject, read.encode(), Seq(0)).await.unwrap());
    for after in [Seq(0), revisions[100]] {
        let (mut found, mut from, mut pages) = (Vec::new(), after, 0);
        loop {
            let page = marks.of(SHARD, &user("alice"), from).await.unwrap();
            assert!(page.marks.iter().all(|mark| mark.of.user == user("alice") && mark.revision <= page.upto));
            found.extend(page.marks);
            (from, pages) = (page.upto, pages + 1);
            if !page.more {
                break;
            }
        }
        let expected: Vec<Seq> = revisions.iter().copied().filter(|revision| *revision > after).collect();
        assert_eq!(found.iter().map(|mark| mark.revision).collect::<Vec<_>>(), expected);
        assert_eq!(pages, if after == Seq(0) { 2 } else { 1 });
        assert!(from > spoilt);
        assert_eq!(found.last().map(|mark| &mark.value), Some(&MarkValue::Read(read)));
        assert_eq!(found[found.len() - 2].value, MarkValue::Sent(delivered(9)));
    }
}

#[tokio::test]
async fn where_no_worker_listens_nobody_says_what_has_changed() {
    let server = Server::start();
    let connection = server.provisioned().await;
    let told = marks(&server, &connection).await.changed(SHARD, Seq(0), Millis(5_000)).await;
    assert_eq!(told, Err(MarksError::Unanswered(AskError::NoResponders)));
}
