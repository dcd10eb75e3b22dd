//! What a projection has of groups, and what of it somebody may read.

use std::collections::HashSet;

use dunlin_schema::{GroupName, Turn, Windows, index::groups::GroupMessage};

use super::*;
use crate::index::core::group::{Said, Sight};

fn team() -> GroupName {
    "team".parse().unwrap()
}

/// An entry of the team's log.
fn said(seq: u64, said: Said) -> Taken {
    Taken { at: place(seq), meant: Meant::Group(Peer::Group(team()), Some(said)) }
}

fn says(seq: u64, author: &str, mentions: &[&str]) -> Taken {
    let mentions = mentions.iter().map(|user| name(user)).collect();
    said(seq, Said::Message { id: id(seq), author: name(author), time: Millis(seq), mentions, media: vec![] })
}

fn changes(seq: u64, by: &str, target: u64, change: Change) -> Taken {
    said(seq, Said::Change { target: id(target), by: name(by), time: Millis(seq), change })
}

fn turns(seq: u64, users: &[&str], turn: Turn, history: Option<bool>) -> Taken {
    let turns = users.iter().map(|user| (Some(*user).filter(|user| !user.is_empty()).map(name), turn)).collect();
    said(seq, Said::Turns { turns, history })
}

fn react(on: bool) -> Change {
    Change::React { emoji: "👍".into(), on }
}

/// Who may read these spans.
fn within(windows: &[(u64, Option<u64>)]) -> Sight {
    let mut of = Windows::default();
    for (from, until) in windows {
        of.open(Seq(*from));
        until.map(|until| of.close(Seq(until)));
    }
    Sight { windows: of, ..Sight::default() }
}

fn everything() -> Sight {
    within(&[(0, None)])
}

impl Kept {
    fn said(&self, sight: &Sight, (first, below): (u64, u64), limit: usize) -> (Vec<GroupMessage>, bool) {
        let reading = self.projection.read().unwrap();
        reading.group(&team()).history(sight, (Seq(first), Seq(below)), limit).unwrap()
    }

    /// Rows of all tables but for the position, those of groups last.
    fn all_rows(&self) -> Vec<u64> {
        use redb::{ReadableDatabase, ReadableTableMetadata};
        let read = self.projection.database.begin_read().unwrap();
        let of_groups = [
            read.open_table(GROUP_MESSAGES).unwrap().len().unwrap(),
            read.open_table(GROUP_STANDINGS).unwrap().len().unwrap(),
            read.open_table(TURNS).unwrap().len().unwrap(),
            read.open_table(HISTORIES).unwrap().len().unwrap(),
        ];
        self.rows().into_iter().chain(of_groups).collect()
    }

    fn read(&self, sight: &Sight) -> Vec<u64> {
        self.said(sight, (0, 1 << 53), 99).0.into_iter().map(|message| message.at.seq.0).collect()
    }

    /// How much is unread for bob, and how much of it mentions him.
    fn news(&self, sight: &Sight, first: u64, mark: Option<(u64, u64)>, blocked: &[&str]) -> (u64, u64) {
        let mark = mark.map(|(epoch, order)| ReadMark { epoch: Epoch(epoch), order: Seq(order), time: Millis(3) });
        let blocked: HashSet<_> = blocked.iter().map(|user| name(user)).collect();
        let (reading, rule) = (self.projection.read().unwrap(), Unread::of(mark, Epoch(1)));
        reading.group(&team()).unread((&name("bob"), &blocked), sight, Seq(first), &rule).unwrap()
    }
}

#[test]
fn only_what_lies_in_somebodys_windows_is_read_and_counted() {
    let said: Vec<_> = (1..=9).map(|seq| says(seq, "alice", &["bob"])).collect();
    let kept = Kept::taken(&said);
    for (windows, read) in [
        (&[][..], &[][..]),
        (&[(0, None)], &[9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (&[(3, Some(5))], &[5, 4, 3]),
        (&[(2, Some(3)), (6, Some(6)), (9, None)], &[9, 6, 3, 2]),
        (&[(20, None)], &[]),
    ] {
        let sight = within(windows);
        assert_eq!(kept.read(&sight), read, "{windows:?}");
        assert_eq!(kept.news(&sight, 0, None, &[]), (read.len() as u64, read.len() as u64), "{windows:?}");
        let latest = kept.projection.read().unwrap().group(&team()).latest(&sight, StreamTime(0)).unwrap();
        assert_eq!(latest, read.first().map(|seq| place(*seq).time), "{windows:?}");
    }
    // Pages go over the holes between windows.
    let sight = within(&[(2, Some(3)), (6, Some(6)), (9, None)]);
    let seqs = |(messages, more): (Vec<GroupMessage>, bool)| {
        (messages.into_iter().map(|message| message.at.seq.0).collect::<Vec<_>>(), more)
    };
    assert_eq!(seqs(kept.said(&sight, (0, 99), 2)), (vec![9, 6], true));
    assert_eq!(seqs(kept.said(&sight, (0, 6), 2)), (vec![3, 2], false));
    assert_eq!(seqs(kept.said(&sight, (3, 9), 9)), (vec![6, 3], false), "below the log's first is nothing");
    let other = kept.projection.read().unwrap().group(&"other".parse().unwrap()).latest(&everything(), StreamTime(0));
    assert_eq!(other.unwrap(), None);
}

#[test]
fn unread_is_what_others_said_above_the_mark_without_those_who_are_blocked() {
    let kept = Kept::taken(&[
        says(1, "alice", &["bob"]),
        says(2, "bob", &["bob"]),
        says(3, "eve", &["bob", "alice"]),
        says(4, "alice", &["carol"]),
        says(5, "eve", &[]),
    ]);
    let all = everything();
    assert_eq!(kept.news(&all, 0, None, &[]), (4, 2), "not what one says oneself");
    assert_eq!(kept.news(&all, 0, None, &["eve"]), (2, 1));
    assert_eq!(kept.news(&all, 0, Some((1, 3)), &[]), (2, 0));
    assert_eq!(kept.news(&all, 2, None, &[]), (3, 1), "what the log has no more counts for nothing");
    assert_eq!(kept.news(&Sight { since: Seq(4), ..all.clone() }, 0, None, &[]), (2, 0));
    // In another epoch what was stored after the mark was made is unread, whatever its number.
    assert_eq!(kept.news(&all, 0, Some((2, 9)), &[]), (2, 0));
}

#[test]
fn a_message_is_as_its_author_and_the_admins_left_it() {
    let kept = Kept::taken(&[
        says(1, "alice", &[]),
        says(2, "bob", &[]),
        says(3, "carol", &[]),
        changes(4, "alice", 1, Change::Edit),
        changes(5, "bob", 1, react(true)),
        changes(6, "carol", 1, react(true)),
        changes(7, "bob", 1, react(false)),
        changes(8, "alice", 3, Change::Delete),
        changes(9, "bob", 2, Change::Edit),
        changes(10, "alice", 77, Change::Delete),
    ]);
    let (messages, _) = kept.said(&everything(), (0, 99), 9);
    let stands = |message: &GroupMessage| {
        let by: Vec<_> = message.reactions.iter().map(|reaction| reaction.by.to_string()).collect();
        (message.from.to_string(), message.edit.map(|edit| edit.seq.0), by)
    };
    let expected = [("bob".to_owned(), Some(9), vec![]), ("alice".to_owned(), Some(4), vec!["carol".to_owned()])];
    assert_eq!(messages.iter().map(stands).collect::<Vec<_>>(), expected, "an admin took carol's back");
    // Of one id that two have used, each takes back their own; an admin who has none takes back both.
    let twice = |seq, author: &str| {
        said(
            seq,
            Said::Message { id: id(20), author: name(author), time: Millis(seq), mentions: vec![], media: vec![] },
        )
    };
    kept.take(&[twice(20, "alice"), twice(21, "bob"), changes(22, "bob", 20, Change::Delete)], Durability::None);
    assert_eq!(kept.read(&everything()), [20, 2, 1]);
    kept.take(&[twice(23, "carol"), changes(24, "dave", 20, Change::Delete)], Durability::None);
    assert_eq!(kept.read(&everything()), [2, 1]);
}

#[test]
fn what_is_said_of_a_message_outside_of_somebodys_windows_is_not_theirs() {
    let kept = Kept::taken(&[
        says(2, "alice", &[]),
        changes(3, "bob", 2, react(true)),
        changes(6, "carol", 2, react(true)),
        changes(7, "alice", 2, Change::Edit),
    ]);
    let stands = |windows: &[(u64, Option<u64>)]| {
        let (mut messages, _) = kept.said(&within(windows), (0, 99), 9);
        let GroupMessage { edit, reactions, .. } = messages.remove(0);
        let by: Vec<_> = reactions.into_iter().map(|reaction| reaction.by.to_string()).collect();
        (edit.map(|edit| edit.seq.0), by)
    };
    assert_eq!(stands(&[(0, None)]), (Some(7), vec!["bob".to_owned(), "carol".to_owned()]));
    assert_eq!(stands(&[(1, Some(4))]), (None, vec!["bob".to_owned()]), "removed at 4");
    assert_eq!(stands(&[(1, Some(4)), (8, None)]), (None, vec!["bob".to_owned()]), "and added again");
    assert_eq!(stands(&[(1, Some(4)), (7, None)]), (Some(7), vec!["bob".to_owned()]));
}

#[test]
fn what_the_log_did_to_somebody_is_told_in_order_with_what_newcomers_saw() {
    let kept = Kept::taken(&[
        turns(1, &["bob", "alice"], Turn::Joins, Some(false)),
        turns(2, &["bob"], Turn::Goes, None),
        turns(3, &[], Turn::Joins, Some(true)),
        turns(4, &["bob"], Turn::Joins, None),
        turns(5, &[""], Turn::Goes, Some(true)),
    ]);
    let turned = |user: &str| {
        let turned = kept.projection.read().unwrap().group(&team()).turned(&name(user)).unwrap();
        let told = turned.into_iter().map(|turned| (turned.seq.0, turned.turn, turned.history.map(|(shown, _)| shown)));
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        turned("bob"),
        [(1, Turn::Joins, Some(false)), (2, Turn::Goes, None), (4, Turn::Joins, Some(true)), (5, Turn::Goes, None),]
    );
    assert_eq!(turned("alice"), [(1, Turn::Joins, Some(false)), (5, Turn::Goes, None)]);
    assert_eq!(turned("eve"), [(5, Turn::Goes, None)]);
}

#[test]
fn all_rows_of_a_group_go_with_its_entries() {
    let kept = Kept::taken(&[
        turns(1, &["bob", "alice"], Turn::Joins, Some(false)),
        says(2, "alice", &["bob"]),
        changes(3, "bob", 2, react(true)),
        says(4, "bob", &[]),
        changes(5, "bob", 4, Change::Delete),
        turns(6, &[""], Turn::Goes, Some(false)),
        message(7, "alice", false),
    ]);
    assert_eq!(kept.all_rows(), [7, 1, 1, 1, 2, 1, 2, 3, 2]);
    let evict = |first| {
        let write = kept.projection.write(Durability::None).unwrap();
        let gone = write.evict(&Peer::Group(team()), Seq(first)).unwrap();
        write.commit().unwrap();
        gone
    };
    assert_eq!(evict(5), 4);
    assert_eq!(kept.all_rows(), [3, 1, 1, 1, 2, 0, 0, 1, 1]);
    assert_eq!(evict(99), 2);
    assert_eq!(kept.all_rows(), [1, 1, 1, 1, 1, 0, 0, 0, 0], "a mailbox is another log");
    let write = kept.projection.write(Durability::None).unwrap();
    write.take(&[says(8, "alice", &[])]).unwrap();
    write.expire("", 9, place(99).time).unwrap();
    write.commit().unwrap();
    assert_eq!(kept.all_rows(), [0; 9]);
}
