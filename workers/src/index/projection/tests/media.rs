//! Which messages refer to a file, and who may know of them.

use dunlin_schema::{GroupName, MediaId};

use super::*;
use crate::index::core::group::{Said, Sight};

const ALL: (Seq, Seq) = (Seq(0), Seq::MAX);

fn file(number: u64) -> MediaId {
    MediaId(id(900 + number))
}

fn shows(seq: u64, with: &str, number: u64, media: &[u64]) -> Taken {
    let media = media.iter().map(|number| file(*number)).collect();
    entry(seq, with, false, What::Message { id: id(number), order: None, media })
}

fn team() -> GroupName {
    "team".parse().unwrap()
}

fn in_team(seq: u64, said: Said) -> Taken {
    Taken { at: place(seq), meant: Meant::Group(Peer::Group(team()), Some(said)) }
}

fn shows_team(seq: u64, media: u64) -> Taken {
    let (id, author, time) = (id(seq), name("alice"), Millis(seq));
    in_team(seq, Said::Message { id, author, time, mentions: vec![], media: vec![file(media)] })
}

impl Kept {
    fn refers(&self, media: u64, within: (Seq, Seq)) -> Option<u64> {
        self.projection.read().unwrap().refers("bob", file(media), within).unwrap().map(|seq| seq.0)
    }

    fn refers_in_team(&self, media: u64, windows: &[(u64, Option<u64>)]) -> Option<u64> {
        let mut sight = Sight::default();
        for (from, until) in windows {
            sight.windows.open(Seq(*from));
            until.map(|until| sight.windows.close(Seq(until)));
        }
        let reading = self.projection.read().unwrap();
        reading.group(&team()).refers(file(media), &sight).unwrap().map(|seq| seq.0)
    }

    fn references(&self) -> u64 {
        use redb::{ReadableDatabase, ReadableTableMetadata};
        self.projection.database.begin_read().unwrap().open_table(REFERENCES).unwrap().len().unwrap()
    }

    fn evict(&self, owner: &Peer, first: u64) {
        let write = self.projection.write(Durability::None).unwrap();
        write.evict(owner, Seq(first)).unwrap();
        write.commit().unwrap();
    }
}

#[test]
fn a_mailbox_has_a_file_as_long_as_it_has_a_message_that_refers_to_it() {
    let kept = Kept::taken(&[shows(1, "alice", 1, &[1, 2]), shows(2, "carol", 2, &[1]), shows(3, "alice", 3, &[3])]);
    assert_eq!((kept.refers(1, ALL), kept.refers(2, ALL), kept.refers(4, ALL)), (Some(2), Some(1), None));
    assert_eq!(kept.refers(1, (Seq(3), Seq::MAX)), None, "below the first one");
    assert_eq!(kept.projection.read().unwrap().refers("bo", file(1), ALL).unwrap(), None, "somebody else");
    // A repeat adds nothing.
    kept.take(&[shows(4, "alice", 1, &[4])], Durability::None);
    assert_eq!((kept.refers(4, ALL), kept.references()), (None, 4));
    kept.take(&[change(5, "carol", false, 2, Change::Delete)], Durability::None);
    assert_eq!(kept.refers(1, ALL), Some(1), "another message refers to it");
    // One that is taken back before it comes never refers to anything.
    kept.take(&[change(6, "alice", false, 7, Change::Delete), shows(7, "alice", 7, &[7])], Durability::None);
    assert_eq!((kept.refers(7, ALL), kept.references()), (None, 3));
    kept.evict(&bobs(), 3);
    assert_eq!((kept.refers(1, ALL), kept.refers(3, ALL), kept.references()), (None, Some(3), 1));
    let write = kept.projection.write(Durability::Immediate).unwrap();
    write.clear().unwrap();
    write.commit().unwrap();
    assert_eq!(kept.references(), 0);
}

#[test]
fn in_a_group_a_file_is_for_those_who_may_read_what_refers_to_it() {
    let kept = Kept::taken(&[shows_team(3, 1), shows_team(5, 1), shows_team(7, 2)]);
    for (windows, one, two) in [
        (&[(0, None)][..], Some(5), Some(7)),
        (&[(0, Some(2))], None, None),
        (&[(0, Some(3))], Some(3), None),
        (&[(4, Some(4))], None, None),
        (&[(0, Some(2)), (6, None)], None, Some(7)),
        (&[(0, Some(4)), (6, Some(6))], Some(3), None),
        (&[], None, None),
    ] {
        assert_eq!((kept.refers_in_team(1, windows), kept.refers_in_team(2, windows)), (one, two), "{windows:?}");
    }
    assert_eq!(kept.refers(1, ALL), None, "a group is no mailbox");
    let (target, by) = (id(5), name("alice"));
    let deleted = Said::Change { target, by, time: Millis(8), change: Change::Delete };
    kept.take(&[in_team(8, deleted)], Durability::None);
    assert_eq!((kept.refers_in_team(1, &[(0, None)]), kept.references()), (Some(3), 2));
    kept.evict(&Peer::Group(team()), 7);
    assert_eq!((kept.refers_in_team(1, &[(0, None)]), kept.references()), (None, 1));
}
