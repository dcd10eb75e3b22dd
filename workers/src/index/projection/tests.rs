//! A projection on a real disk: what comes, what goes, and what is left of it when it is opened again.

mod groups;
mod media;

use dunlin_schema::{
    Address, Epoch, MessageId, Millis, Seq, StreamTime, UserName,
    index::{Message, Place},
    record::ReadMark,
};
use tempfile::TempDir;

use super::*;
use crate::index::core::{Change, Item, Unread, What};

fn of(shard: u16) -> Of {
    Of { region: RegionName::new("local").unwrap(), shard: Shard(shard) }
}

fn name(user: &str) -> UserName {
    UserName::new(user).unwrap()
}

fn bobs() -> Peer {
    Peer::User(name("bob"))
}

fn place(seq: u64) -> Place {
    Place { seq: Seq(seq), time: StreamTime(seq * 1_000_000) }
}

fn id(number: u64) -> MessageId {
    MessageId::from_parts(Millis(number), 1)
}

fn position(seq: u64) -> Position {
    Position { epoch: Epoch(1), seq: Seq(seq), time: place(seq).time }
}

/// An entry of bob's mailbox.
fn entry(seq: u64, with: &str, mine: bool, what: What) -> Taken {
    let item = Item { with: with.parse().unwrap(), mine, time: Millis(seq), what };
    Taken { at: place(seq), meant: Meant::Mailbox(name("bob"), Some(item)) }
}

fn message(seq: u64, with: &str, mine: bool) -> Taken {
    entry(seq, with, mine, What::Message { id: id(seq), order: None, media: vec![] })
}

fn change(seq: u64, with: &str, mine: bool, target: u64, change: Change) -> Taken {
    entry(seq, with, mine, What::Change { target: id(target), change })
}

struct Kept {
    folder: TempDir,
    projection: Projection,
}

impl Kept {
    fn new() -> Kept {
        let folder = TempDir::new().unwrap();
        let (projection, position) = Projection::open(folder.path(), &of(0)).unwrap();
        assert_eq!(position, Position::default());
        Kept { folder, projection }
    }

    fn take(&self, entries: &[Taken], durability: Durability) -> Vec<Peer> {
        let write = self.projection.write(durability).unwrap();
        let large = write.take(entries).unwrap();
        let last = entries.last().unwrap().at;
        write.stand_at(Position { epoch: Epoch(1), seq: last.seq, time: last.time }).unwrap();
        write.commit().unwrap();
        large
    }

    fn taken(entries: &[Taken]) -> Kept {
        let kept = Kept::new();
        kept.take(entries, Durability::Immediate);
        kept
    }

    fn conversations(&self, first: u64, below: u64, limit: usize) -> (Vec<(String, u64)>, bool) {
        let reading = self.projection.read().unwrap();
        let (listed, more) = reading.conversations(&name("bob"), Seq(first), Seq(below), limit).unwrap();
        (listed.into_iter().map(|listed| (listed.with.to_string(), listed.last.at.seq.0)).collect(), more)
    }

    fn history(&self, with: &str, within: (u64, u64), limit: usize) -> (Vec<Message>, bool) {
        let reading = self.projection.read().unwrap();
        let within = (Seq(within.0), Seq(within.1));
        reading.history(&name("bob"), &with.parse().unwrap(), within, limit).unwrap()
    }

    fn seqs(&self, with: &str, within: (u64, u64), limit: usize) -> (Vec<u64>, bool) {
        let (messages, more) = self.history(with, within, limit);
        (messages.into_iter().map(|message| message.at.seq.0).collect(), more)
    }

    fn unread(&self, with: &str, first: u64, mark: Option<u64>) -> u64 {
        let mark = mark.map(|order| ReadMark { epoch: Epoch(1), order: Seq(order), time: Millis(0) });
        let with: Address = with.parse().unwrap();
        let rule = Unread::of(mark, Epoch(1));
        self.projection.read().unwrap().unread(&name("bob"), &with, Seq(first), &rule).unwrap()
    }

    fn has(&self, place: Place) -> bool {
        self.projection.read().unwrap().has(&bobs(), place).unwrap()
    }

    /// Rows of all tables but for the position.
    fn rows(&self) -> Vec<u64> {
        use redb::{ReadableDatabase, ReadableTableMetadata};
        let read = self.projection.database.begin_read().unwrap();
        vec![
            read.open_table(ENTRIES).unwrap().len().unwrap(),
            read.open_table(MESSAGES).unwrap().len().unwrap(),
            read.open_table(STANDINGS).unwrap().len().unwrap(),
            read.open_table(LATEST).unwrap().len().unwrap(),
            read.open_table(SIZES).unwrap().len().unwrap(),
        ]
    }
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(with, seq)| ((*with).to_owned(), *seq)).collect()
}

#[test]
fn conversations_come_by_their_latest_message_each_once_and_in_pages() {
    let edited = change(6, "alice", false, 1, Change::Edit);
    let kept = Kept::taken(&[
        message(1, "alice", false),
        message(2, "carol", true),
        message(3, "dave", false),
        message(4, "alice", true),
        message(5, "bob", true),
        edited,
    ]);
    let all = pairs(&[("bob", 5), ("alice", 4), ("dave", 3), ("carol", 2)]);
    assert_eq!(kept.conversations(1, 1 << 53, 10), (all, false));
    assert_eq!(kept.conversations(1, 1 << 53, 2), (pairs(&[("bob", 5), ("alice", 4)]), true));
    assert_eq!(kept.conversations(1, 4, 2), (pairs(&[("dave", 3), ("carol", 2)]), false));
    // One that moves between two pages is on neither twice.
    kept.take(&[message(7, "carol", false)], Durability::None);
    assert_eq!(kept.conversations(1, 4, 2), (pairs(&[("dave", 3)]), false));
    // What the log has no more is not there, also where the rows are still there.
    assert_eq!(kept.conversations(4, 1 << 53, 10), (pairs(&[("carol", 7), ("bob", 5), ("alice", 4)]), false));
    for (first, below) in [(0, 0), (9, 3), (8, 1 << 53)] {
        assert_eq!(kept.conversations(first, below, 10), (vec![], false), "{first} {below}");
    }
    let reading = kept.projection.read().unwrap();
    assert_eq!(reading.conversations(&name("bo"), Seq(0), Seq::MAX, 9).unwrap(), (vec![], false), "somebody else");
    assert_eq!(reading.position(&of(0)).unwrap(), position(7));
}

#[test]
fn unread_counts_the_other_sides_messages_above_the_mark() {
    let kept = Kept::taken(&[
        message(1, "alice", false),
        message(2, "alice", true),
        message(3, "alice", false),
        change(4, "alice", false, 1, Change::Edit),
        change(5, "alice", false, 2, Change::React { emoji: "👍".into(), on: true }),
        message(6, "alice", false),
        message(7, "carol", false),
    ]);
    for (first, mark, expected) in [
        (1, None, 3),
        (1, Some(1), 2),
        (1, Some(2), 2),
        (1, Some(6), 0),
        (1, Some(99), 0),
        (3, None, 2),
        (4, Some(1), 1),
    ] {
        assert_eq!(kept.unread("alice", first, mark), expected, "from {first}, read {mark:?}");
    }
    kept.take(&[change(8, "alice", false, 3, Change::Delete)], Durability::None);
    assert_eq!((kept.unread("alice", 1, None), kept.unread("alice", 1, Some(1))), (2, 1), "deleted");
    kept.take(&[change(9, "alice", false, 3, Change::Delete)], Durability::None);
    assert_eq!(kept.unread("alice", 1, None), 2, "twice");
    assert_eq!((kept.unread("nobody", 1, None), kept.unread("bob", 1, None)), (0, 0));
}

#[test]
fn a_message_is_given_with_what_changed_it() {
    let react = |emoji: &str, on| Change::React { emoji: emoji.into(), on };
    let kept = Kept::taken(&[
        message(1, "alice", false),
        message(2, "alice", true),
        change(3, "alice", false, 1, Change::Edit),
        // Somebody who edits what is not theirs changes nothing.
        change(4, "alice", false, 2, Change::Edit),
        change(5, "alice", true, 1, react("👍", true)),
        change(6, "alice", false, 1, react("❤", true)),
        change(7, "alice", true, 1, react("👍", false)),
        change(8, "alice", true, 2, Change::Delete),
        // A change whose message comes behind it, as a copy that was stored late does.
        change(9, "alice", true, 11, Change::Edit),
        change(10, "alice", false, 11, react("❤", true)),
        message(11, "alice", true),
    ]);
    let (messages, more) = kept.history("alice", (1, 1 << 53), 10);
    let shown: Vec<_> = messages
        .iter()
        .map(|message| {
            let reactions = message.reactions.iter().map(|kept| (kept.mine, kept.emoji.as_str())).collect::<Vec<_>>();
            (message.at.seq.0, message.mine, message.edit.map(|edit| edit.seq.0), reactions)
        })
        .collect();
    let expected = vec![(11, true, Some(9), vec![(false, "❤")]), (1, false, Some(3), vec![(false, "❤")])];
    assert_eq!((shown, more), (expected, false));
}

#[test]
fn what_is_taken_back_is_gone_and_the_message_before_it_is_the_latest() {
    let kept = Kept::taken(&[
        message(1, "alice", false),
        message(2, "carol", false),
        message(3, "alice", false),
        change(4, "alice", false, 3, Change::Delete),
    ]);
    assert_eq!(kept.conversations(1, 9, 9).0, pairs(&[("carol", 2), ("alice", 1)]));
    assert_eq!(kept.seqs("alice", (1, 9), 9), (vec![1], false));
    kept.take(&[change(5, "alice", false, 1, Change::Delete)], Durability::None);
    assert_eq!((kept.conversations(1, 9, 9).0, kept.rows()), (pairs(&[("carol", 2)]), vec![5, 1, 3, 1, 1]));
    // A deletion whose message comes behind it, or was erased before the projection was made again.
    kept.take(&[change(6, "alice", true, 7, Change::Delete), message(7, "alice", true)], Durability::None);
    assert_eq!(kept.conversations(1, 9, 9).0, pairs(&[("carol", 2)]));
    kept.take(&[message(8, "alice", true)], Durability::None);
    assert_eq!(kept.conversations(1, 9, 9).0, pairs(&[("alice", 8), ("carol", 2)]));
}

#[test]
fn history_goes_backwards_in_pages_and_ends() {
    let entries: Vec<_> =
        (1..=10).map(|seq| message(seq, if seq % 2 == 0 { "alice" } else { "carol" }, false)).collect();
    let kept = Kept::taken(&entries);
    assert_eq!(kept.seqs("alice", (1, 1 << 53), 2), (vec![10, 8], true));
    assert_eq!(kept.seqs("alice", (1, 8), 2), (vec![6, 4], true));
    assert_eq!(kept.seqs("alice", (1, 4), 2), (vec![2], false));
    assert_eq!(kept.seqs("alice", (5, 10), 10), (vec![8, 6], false));
    for within in [(1, 0), (1, 1), (1, 2), (11, 1 << 53), (9, 3)] {
        assert_eq!(kept.seqs("alice", within, 10), (vec![], false), "{within:?}");
    }
    assert_eq!(kept.seqs("nobody", (0, 1 << 53), 10), (vec![], false));
}

#[test]
fn what_the_log_lets_go_goes_from_every_table() {
    let mut entries: Vec<_> = (1..=20).map(|seq| message(seq, "alice", false)).collect();
    entries.push(change(21, "alice", false, 1, Change::Edit));
    entries.push(change(22, "alice", false, 99, Change::Edit));
    entries.push(Taken { at: place(23), meant: Meant::Mailbox(name("bob"), None) });
    let kept = Kept::taken(&entries);
    assert_eq!(kept.rows(), [23, 20, 21, 1, 1]);
    let evict = |first| {
        let write = kept.projection.write(Durability::None).unwrap();
        let more = write.evict(&bobs(), Seq(first)).unwrap();
        write.commit().unwrap();
        more
    };
    assert_eq!(evict(11), 10);
    assert_eq!(kept.rows(), [13, 10, 11, 1, 1]);
    assert_eq!(kept.seqs("alice", (1, 1 << 53), 2), (vec![20, 19], true));
    assert!(!kept.has(place(10)) && kept.has(place(11)) && kept.has(place(23)));
    assert_eq!(evict(23), 12);
    assert_eq!(kept.rows(), [1, 0, 0, 0, 1]);
    let bob = || Some("bob".to_owned());
    let expire = |after: &str, before: u64| {
        let write = kept.projection.write(Durability::None).unwrap();
        let last = write.expire(after, 10, place(before).time).unwrap();
        write.commit().unwrap();
        last
    };
    assert_eq!((expire("", 23), kept.rows()), ((0, bob()), vec![1, 0, 0, 0, 1]));
    assert_eq!((expire("bob", 24), kept.rows()), ((0, None), vec![1, 0, 0, 0, 1]), "nobody is behind bob");
    assert_eq!((expire("", 24), kept.rows()), ((1, bob()), vec![0; 5]));
}

#[test]
fn a_mailbox_that_has_more_than_the_log_keeps_is_told() {
    let kept = Kept::new();
    let most = dunlin_schema::limits::MAILBOX_ENTRIES + 1_024;
    let entries: Vec<_> = (1..most).map(|seq| message(seq, "alice", false)).collect();
    assert_eq!(kept.take(&entries, Durability::None), []);
    assert_eq!(kept.take(&[message(most, "alice", false)], Durability::None), [bobs()]);
    let mut gone = 1;
    while gone > 0 {
        let write = kept.projection.write(Durability::None).unwrap();
        gone = write.evict(&bobs(), Seq(2_001)).unwrap();
        write.commit().unwrap();
    }
    assert_eq!((kept.unread("alice", 2_001, None), kept.unread("alice", 2_001, Some(most))), (most - 2_000, 0));
}

#[test]
fn an_entry_at_a_place_is_told_from_another_one_of_its_sequence() {
    let kept = Kept::taken(&[message(1, "alice", false)]);
    assert!(kept.has(place(1)));
    assert!(!kept.has(Place { time: StreamTime(7), ..place(1) }) && !kept.has(place(2)));
}

#[test]
fn it_goes_on_where_it_was_and_without_a_sync_where_it_was_synced() {
    let kept = Kept::taken(&[message(1, "alice", false)]);
    kept.take(&[message(2, "carol", false)], Durability::None);
    assert_eq!(kept.conversations(1, 9, 9).0.len(), 2, "readers see it at once");
    // What is on disk at this moment is what a power loss leaves.
    let elsewhere = TempDir::new().unwrap();
    std::fs::copy(kept.folder.path().join(FILE), elsewhere.path().join(FILE)).unwrap();
    let (projection, at) = Projection::open(elsewhere.path(), &of(0)).unwrap();
    let after = Kept { folder: elsewhere, projection };
    assert_eq!((at, after.conversations(1, 9, 9)), (position(1), (pairs(&[("alice", 1)]), false)));
    assert!(matches!(Projection::open(kept.folder.path(), &of(0)), Err(ProjectionError::InUse(_))));
    kept.take(&[message(3, "dave", false)], Durability::Immediate);
    let Kept { folder, projection } = kept;
    drop(projection);
    let (projection, at) = Projection::open(folder.path(), &of(0)).unwrap();
    let again = Kept { folder, projection };
    assert_eq!((at, again.conversations(1, 9, 9).0.len()), (position(3), 3));
}

#[test]
fn what_can_not_be_trusted_is_begun_anew() {
    let newer = envelope::seal(VERSION + 1, &7);
    for (what, bytes, shard) in
        [("a newer release's", Some(&newer[..]), 0), ("damaged", Some(b"nonsense"), 0), ("another shard's", None, 1)]
    {
        let Kept { folder, projection } = Kept::taken(&[message(1, "alice", false)]);
        if let Some(bytes) = bytes {
            let write = projection.database.begin_write().unwrap();
            write.open_table(POSITION).unwrap().insert((), bytes).unwrap();
            write.commit().unwrap();
        }
        drop(projection);
        let (projection, at) = Projection::open(folder.path(), &of(shard)).unwrap();
        let anew = Kept { folder, projection };
        assert_eq!((at, anew.rows()), (Position::default(), vec![0; 5]), "{what}");
    }
    for bytes in [&b"no database at all"[..], &[0; 8192]] {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join(FILE), bytes).unwrap();
        assert_eq!(Projection::open(folder.path(), &of(0)).unwrap().1, Position::default());
    }
    let kept = Kept::taken(&[message(1, "alice", false)]);
    let write = kept.projection.write(Durability::Immediate).unwrap();
    write.clear().unwrap();
    write.commit().unwrap();
    assert_eq!(kept.rows(), [0; 5]);
    assert_eq!(kept.projection.read().unwrap().position(&of(0)).unwrap(), Position::default());
}
