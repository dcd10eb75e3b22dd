//! Records of STATE, items of RECEIPTS, and what gateways and readers tell each other.

use dunlin_schema::{
    Cursor, Epoch, Peer, Position, Seq, Shard, StreamTime, TokenId,
    counts::{
        CountsAnswer, CountsRequest, GroupCount, GroupDevice, GroupMarks, GroupSentMarks, MemberMarks, MemberReached,
        MembersPage,
    },
    device::{DeviceNamed, DeviceRemoved, NameDevice, RemoveDevice},
    erasure::{Before, Ends, EraseUser, Erasure, ErasureAsked, Stage},
    heads::{Head, HeadsAnswer, HeadsRequest, Verified, Verify},
    index::{Conversation, ConversationsAnswer, ConversationsRequest, HistoryAnswer, HistoryRequest},
    limits,
    marks::{MarksAnswer, MarksRequest},
    record::{
        DeviceRecord, GroupAck, GroupRead, MarkChange, MarkKind, ReadMark, ReaderRecord, Receipt, Revocation, Senders,
        SentMarks, Settings,
    },
    revocation::{Revoke, RevokeAnswer, Revoked},
    settings::{ChangeSettings, SettingsChange, SettingsChanged},
};
use proptest::{collection, option, prelude::*};

use crate::strategy;

fn record(epoch: u64, begins_after: Option<u64>) -> ReaderRecord {
    ReaderRecord {
        owner: "one".to_owned(),
        position: Position { epoch: Epoch(epoch), seq: Seq(7), time: StreamTime(5) },
        boot: "boot".to_owned(),
        begins_after: begins_after.map(Epoch),
    }
}

#[test]
fn an_epoch_is_named_by_the_stamp_of_the_record_that_begins_it() {
    for (record, stamp, epoch) in [
        (record(40, None), 99, 40),
        (record(40, Some(40)), 99, 99),
        (record(40, Some(40)), 40, 41), // the new leader's clock is behind the old one's
        (record(40, Some(40)), 3, 41),
        (record(0, Some(0)), 0, 1),
        (record(0, Some(u64::MAX)), 3, u64::MAX), // never wraps round to the first
    ] {
        assert_eq!(record.epoch(StreamTime(stamp)), Epoch(epoch), "{record:?} at {stamp}");
    }
}

#[test]
fn positions_are_ordered_by_epoch_then_sequence() {
    let at = |epoch, seq, time| Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(time) };
    for (low, high) in [(at(1, 1, 9), at(1, 2, 1)), (at(1, 9, 9), at(2, 1, 1)), (at(0, 0, 0), at(0, 1, 0))] {
        assert!(low.at_or_below(&high) && high.above(&low) && !low.above(&high), "{low:?} {high:?}");
        assert_eq!((low.later(high), high.later(low)), (high, high));
    }
    let (one, other) = (at(1, 1, 1), at(1, 1, 2));
    assert!(one.at_or_below(&other) && other.at_or_below(&one), "the time takes no part");
}

#[test]
fn the_largest_question_and_answer_fit_into_a_message() {
    // nats-server's default max_payload is 1 MiB.
    let name = "n".repeat(limits::NAME_BYTES).parse().unwrap();
    let question = HeadsRequest { logs: vec![Peer::User(name); limits::HEADS_PAGE] };
    let head = Head { seq: Seq::MAX, time: StreamTime(u64::MAX) };
    let position = Position { epoch: Epoch(u64::MAX), seq: Seq::MAX, time: StreamTime(u64::MAX) };
    let answer = HeadsAnswer { position, floor: Seq::MAX, heads: vec![Some(head); limits::HEADS_PAGE] };
    for bytes in [question.encode(), answer.encode()] {
        assert!(bytes.len() < 512 * 1024, "{}", bytes.len());
    }
}

macro_rules! comes_back {
    ($value:expr, $type:ty) => {{
        let value: $type = $value;
        prop_assert_eq!(<$type>::decode(&value.encode()), Ok(value.clone()));
        let mut cut = value.encode();
        cut.pop();
        prop_assert!(<$type>::decode(&cut).is_err());
    }};
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(
        owner in any::<String>(), boot in any::<String>(), position in strategy::position(), before in option::of(any::<u64>()),
        cursor in option::of(strategy::cursor()), removed in option::of(strategy::millis()), device in strategy::device(), log in strategy::peer(),
        with in strategy::address(), upto in strategy::seq(), epoch in any::<u64>(), time in strategy::millis(), read in any::<bool>(),
        highest in collection::vec((strategy::sender(), strategy::seq()), 0..5), title in option::of(strategy::title()),
        missing in strategy::spans(),
    ) {
        comes_back!(ReaderRecord { owner, position, boot, begins_after: before.map(Epoch) }, ReaderRecord);
        for (title, seen) in [(None, None), (title.clone(), None), (None, removed), (title, removed)] {
            comes_back!(DeviceRecord { cursor, removed, title, seen }, DeviceRecord);
        }
        let (cursor, opened) = (cursor.unwrap_or_default(), removed.unwrap_or_default());
        let (epoch, senders) = (Epoch(epoch), Some(Senders { from: upto, highest }));
        comes_back!(Receipt::Delivered { device, log, cursor, opened, senders }, Receipt);
        comes_back!(Receipt::Read { with, upto, epoch }, Receipt);
        let kind = if read { MarkKind::Read } else { MarkKind::Delivered };
        let changes = vec![MarkChange { time, kind, order: upto }];
        comes_back!(SentMarks { epoch, delivered: Some(upto), read: read.then_some(upto), changes, missing }, SentMarks);
        comes_back!(ReadMark { epoch, order: upto, time }, ReadMark);
    }

    #[test]
    fn what_is_known_of_groups_comes_back_as_it_was(
        cursor in strategy::cursor(), opened in strategy::millis(), order in strategy::seq(), user in strategy::user(),
        device in strategy::device(), given in strategy::spans(), group in strategy::group_address(), after in option::of(strategy::user()),
    ) {
        let (epoch, devices) = (cursor.position.epoch, vec![GroupDevice { device: device.clone(), cursor, opened }]);
        let member = MemberMarks { epoch, given, read: order, devices };
        comes_back!(GroupMarks { members: [(user.clone(), member)].into() }, GroupMarks);
        let count = GroupCount { order, delivered: 2, read: 1, of: 3, time: opened };
        comes_back!(GroupSentMarks { epoch, messages: vec![count] }, GroupSentMarks);
        let acks = vec![GroupAck { user: user.clone(), device, cursor, opened }];
        comes_back!(Receipt::Group { acks, reads: vec![GroupRead { user: user.clone(), epoch, upto: order }] }, Receipt);
        let (page, group) = (Some(MembersPage { after: after.clone(), limit: 100 }), group.group);
        comes_back!(CountsRequest { group, sender: user.clone(), order, page }, CountsRequest);
        let items = vec![MemberReached { user, delivered: true, read: false }];
        comes_back!(CountsAnswer::Members { items, next: after }, CountsAnswer);
    }

    #[test]
    fn questions_and_answers_come_back_as_they_were(
        logs in collection::vec(strategy::peer(), 0..20), position in strategy::position(), floor in strategy::seq(),
        heads in collection::vec(option::of((strategy::seq(), any::<u64>())), 0..20),
        user in strategy::user(), device in strategy::device(), at in strategy::millis(), stored in any::<bool>(),
        with in strategy::address(), below in option::of(strategy::seq()), message in strategy::indexed(),
        title in option::of(strategy::title()),
    ) {
        let heads = heads.into_iter().map(|head| head.map(|(seq, time)| Head { seq, time: StreamTime(time) })).collect();
        comes_back!(HeadsRequest { logs }, HeadsRequest);
        comes_back!(HeadsAnswer { position, floor, heads }, HeadsAnswer);
        comes_back!(MarksRequest { after: floor }, MarksRequest);
        comes_back!(MarksAnswer { floor, upto: position.seq, changes: vec![(user.clone(), floor)] }, MarksAnswer);
        comes_back!(Verify { doubted: position }, Verify);
        comes_back!(Verified { position }, Verified);
        comes_back!(EraseUser { user: user.clone() }, EraseUser);
        let before = Before { until: position.time, ends: vec![Ends { log: floor, state: position.seq }; 3] };
        for stage in [Stage::Asked, Stage::Done(before.clone()), Stage::CameBack(before)] {
            comes_back!(Erasure { user: user.clone(), stage }, Erasure);
        }
        comes_back!(ConversationsRequest { user: user.clone(), below, limit: 50 }, ConversationsRequest);
        comes_back!(HistoryRequest { user: user.clone(), with: with.clone(), below, limit: 100 }, HistoryRequest);
        let items = vec![Conversation { with, last: message.clone(), unread: 7, read: below }];
        comes_back!(ConversationsAnswer::Found { items, more: stored }, ConversationsAnswer);
        comes_back!(HistoryAnswer::Found { messages: vec![message], more: stored }, HistoryAnswer);
        comes_back!(NameDevice { user: user.clone(), device: device.clone(), title, connected: stored, at }, NameDevice);
        for answer in [DeviceNamed::Stored, DeviceNamed::NotThere, DeviceNamed::NotStored] {
            comes_back!(answer, DeviceNamed);
        }
        comes_back!(RemoveDevice { user, device, at }, RemoveDevice);
        comes_back!(if stored { DeviceRemoved::Stored } else { DeviceRemoved::NotStored }, DeviceRemoved);
    }

    #[test]
    fn what_people_decide_comes_back_as_it_was(
        who in strategy::sender(), user in strategy::user(), device in strategy::device(), at in strategy::millis(), revision in strategy::seq(),
        audiences in (strategy::audience(), option::of(strategy::audience())), unpinned in any::<bool>(),
    ) {
        let (who_may_write, other) = audiences;
        let blocked = [who.clone()].into();
        comes_back!(Settings { who_may_write, who_sees_presence: other.unwrap_or_default(), blocked }, Settings);
        for change in [
            SettingsChange::Block(who.clone()),
            SettingsChange::Unblock(who),
            SettingsChange::Set { who_may_write: Some(who_may_write), who_sees_presence: other },
        ] {
            comes_back!(ChangeSettings { user: user.clone(), change }, ChangeSettings);
        }
        for answer in [SettingsChanged::Stored(revision), SettingsChanged::TooMany, SettingsChanged::NotStored] {
            comes_back!(answer, SettingsChanged);
        }
        comes_back!(Revocation { at, unpinned: unpinned.then_some(at), until: at.plus(at) }, Revocation);
        let token = TokenId::new(device.as_str()).unwrap();
        for what in [Revoked::Token(token), Revoked::User(user.clone()), Revoked::Device(user, device)] {
            comes_back!(Revoke { what, at, unpinned, kept: at }, Revoke);
        }
        comes_back!(if unpinned { RevokeAnswer::Stored } else { RevokeAnswer::NotStored }, RevokeAnswer);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in collection::vec(any::<u8>(), 0..100)) {
        let [sealed, staged] = [1, 2].map(|version| {
            let mut sealed = [vec![version], bytes.clone()].concat();
            let crc = crc32c::crc32c(&sealed);
            sealed.extend_from_slice(&crc.to_le_bytes());
            sealed
        });
        let _ = (ReaderRecord::decode(&sealed), DeviceRecord::decode(&sealed), Receipt::decode(&sealed));
        let _ = (HeadsRequest::decode(&sealed), HeadsAnswer::decode(&sealed), Verify::decode(&sealed), Verified::decode(&sealed));
        let _ = (RemoveDevice::decode(&sealed), DeviceRemoved::decode(&sealed), NameDevice::decode(&sealed), DeviceNamed::decode(&sealed));
        let _ = (Settings::decode(&sealed), ChangeSettings::decode(&sealed), SettingsChanged::decode(&sealed));
        let _ = (Revocation::decode(&sealed), Revoke::decode(&sealed), RevokeAnswer::decode(&sealed));
        let _ = (SentMarks::decode(&sealed), ReadMark::decode(&sealed));
        let _ = (GroupMarks::decode(&sealed), GroupSentMarks::decode(&sealed));
        let _ = (CountsRequest::decode(&sealed), CountsAnswer::decode(&sealed));
        let _ = Erasure::decode(&staged);
        let _ = (EraseUser::decode(&sealed), ErasureAsked::decode(&sealed), Erasure::decode(&sealed));
        let _ = (MarksRequest::decode(&sealed), MarksAnswer::decode(&sealed));
        let _ = (ConversationsRequest::decode(&sealed), ConversationsAnswer::decode(&sealed));
        let _ = (HistoryRequest::decode(&sealed), HistoryAnswer::decode(&sealed));
    }
}

#[test]
fn the_cursor_of_an_entry_is_as_old_as_the_entry() {
    let position = Position { epoch: Epoch(1), seq: Seq(2), time: StreamTime(3_999_999) };
    assert_eq!(Cursor::of_entry(position), Cursor { position, at: dunlin_schema::Millis(3), began: Seq(0) });
}

#[test]
fn what_is_of_before_was_stored_by_then_and_lies_below_the_ends() {
    let before = Before { until: StreamTime(50), ends: vec![Ends { log: Seq(7), state: Seq(9) }] };
    let first = Before { ends: vec![], ..before.clone() };
    for (seq, time, entry, record, of_first) in [
        (7, 50, true, true, true),
        (7, 51, false, false, false),
        (8, 50, false, true, true),
        (9, 1, false, true, true),
        (10, 1, false, false, true), // a clock that was ahead when it was asked for
    ] {
        let at = (Shard(0), Seq(seq), StreamTime(time));
        assert_eq!(
            (before.has_entry(at.0, at.1, at.2), before.has_record(at.0, at.1, at.2)),
            (entry, record),
            "{at:?}"
        );
        assert_eq!(
            (first.has_entry(at.0, at.1, at.2), first.has_record(at.0, at.1, at.2)),
            (of_first, of_first),
            "{at:?}"
        );
    }
}
