//! What entries of a group mean, and what somebody may read by their record and by what the log has of them.

use dunlin_schema::{Epoch, Position, Sender, content::Membership, group::GroupSettings, media::Attachment};

use super::*;

fn name(user: &str) -> UserName {
    UserName::new(user).unwrap()
}

fn meant(from: &str, body: Body) -> Option<Said> {
    let region: RegionName = "local".parse().unwrap();
    let from = Sender { user: name(from), region: region.clone() };
    let (id, to) = (id(1), "#team@local".parse().unwrap());
    meaning(&region, &Entry { id, from, to, order: None, time: Millis(5), body }.encode())
}

fn id(number: u128) -> MessageId {
    MessageId::from_parts(Millis(1), number)
}

#[test]
fn what_is_said_bears_its_author_and_whom_it_mentions() {
    let mentions = ["bob@local", "carol", "dave@eu"].map(|user| user.parse().unwrap()).to_vec();
    let text = Some("hi".to_owned());
    let attachments = vec![Attachment::named(MediaId(id(9)), None)];
    let message = Content::Message { text, data: None, attachments, reply_to: None, mentions };
    let (mentions, media) = (vec![name("bob"), name("carol")], vec![MediaId(id(9))]);
    let said = Said::Message { id: id(1), author: name("alice"), time: Millis(5), mentions, media };
    assert_eq!(meant("alice", Body::Content(message)), Some(said));
    let change = |by: &str, change| Some(Said::Change { target: id(7), by: name(by), time: Millis(5), change });
    let alice = Sender { user: name("alice"), region: "local".parse().unwrap() };
    for (body, said) in [
        (Body::Content(Content::Delete { target: id(7) }), change("bob", Change::Delete)),
        (Body::Content(Content::Edit { target: id(7), text: None, data: None }), change("bob", Change::Edit)),
        // Whoever writes a tombstone, it is about what its sender said.
        (Body::Tombstone { sender: alice, id: id(7) }, change("alice", Change::Delete)),
    ] {
        assert_eq!(meant("bob", body), said);
    }
}

#[test]
fn members_turn_where_they_join_and_where_they_go() {
    let people = |users: &[&str]| users.iter().map(|user| user.parse().unwrap()).collect::<Vec<Address>>();
    let turns = |users: &[&str], turn, history| {
        let turns = users.iter().map(|user| (Some(name(user)), turn)).collect();
        Some(Said::Turns { turns, history })
    };
    let membership = |change: Became| {
        let (group, by) = ("#team".parse().unwrap(), "alice".parse().unwrap());
        let users = people(&["bob@local", "carol@eu"]);
        Body::Content(Content::Membership(Box::new(Membership { group, users, change: change.into(), by })))
    };
    let settings = |change: GroupChange| {
        let (group, by) = ("#team".parse().unwrap(), "alice@local".parse().unwrap());
        let settings = GroupSettings { history: true, ..GroupSettings::default() };
        let (change, users) = (change.into(), people(&["bob@local"]));
        let said = dunlin_schema::content::Settings { group, change, title: None, settings, users, by };
        Body::Content(Content::Settings(Box::new(said)))
    };
    for (body, said) in [
        (membership(Became::Added), turns(&["bob"], Turn::Joins, None)),
        (membership(Became::Removed), turns(&["bob"], Turn::Goes, None)),
        (membership(Became::Left), turns(&["bob"], Turn::Goes, None)),
        (membership(Became::Admin), None),
        (settings(GroupChange::Created), turns(&["bob", "alice"], Turn::Joins, Some(true))),
        (settings(GroupChange::Changed), turns(&[], Turn::Joins, Some(true))),
        (settings(GroupChange::Deleted), Some(Said::Turns { turns: vec![(None, Turn::Goes)], history: Some(true) })),
    ] {
        assert_eq!(meant("alice", body), said);
    }
}

fn time(seq: u64) -> StreamTime {
    StreamTime(seq * 1_000_000)
}

fn position(seq: u64) -> Position {
    Position { epoch: Epoch(1), seq: Seq(seq), time: time(seq) }
}

fn turned(seq: u64, turn: Turn, history: Option<(bool, u64)>) -> Turned {
    let history = history.map(|(shown, at)| (shown, time(at)));
    Turned { seq: Seq(seq), time: time(seq), turn, history }
}

fn group(applied: u64, history: bool) -> GroupRecord {
    let settings = GroupSettings { history, ..GroupSettings::default() };
    GroupRecord { applied: position(applied), title: None, settings, members: 1, owners: 1, deleted: false }
}

fn read(sight: &Sight) -> Vec<u64> {
    (1..40).filter(|order| sight.windows.contain(Seq(*order))).collect()
}

/// Somebody who joined at 10, as their record says, and what the log has of them.
fn sight(turned: &[Turned], record: Option<&GroupRecord>) -> Sight {
    let windows = Windows::open_from(Seq(10));
    let member = MemberRecord { role: None, windows, at: position(10), joined: Millis(10) };
    Sight::of(&member, record, turned)
}

#[test]
fn the_log_says_what_their_record_does_not_say_yet() {
    let joined = turned(10, Turn::Joins, Some((false, 9)));
    assert_eq!(read(&sight(&[joined], None)), (10..40).collect::<Vec<_>>());
    let gone = sight(&[joined, turned(20, Turn::Goes, None)], None);
    assert_eq!((read(&gone), gone.joined), ((10..=20).collect(), None));
    let again = [joined, turned(20, Turn::Goes, None), turned(30, Turn::Joins, Some((false, 9)))];
    let back = sight(&again, Some(&group(10, true)));
    assert_eq!(read(&back), (1..40).collect::<Vec<_>>(), "the group's record is newer than what the log has");
    let back = sight(&again, Some(&group(5, true)));
    assert_eq!((read(&back), back.since), ((10..=20).chain(30..40).collect(), Seq(0)));
    // Of somebody whose record is not there yet.
    let new = Sight::of(&MemberRecord::default(), None, &[turned(30, Turn::Joins, None)]);
    assert_eq!((read(&new), new.joined), ((30..40).collect(), Some(time(30))));
    assert_eq!(
        Sight::of(&MemberRecord::default(), Some(&group(10, true)), &[]),
        Sight { joined: None, ..Sight::default() }
    );
}

#[test]
fn what_was_said_before_somebody_joined_is_no_news_where_they_see_it() {
    let new = Sight::of(&MemberRecord::default(), Some(&group(5, true)), &[turned(30, Turn::Joins, None)]);
    assert_eq!((read(&new).len(), new.since), (39, Seq(30)));
    // By the log alone, which keeps longer what came later: what is left of it was said since.
    let member = MemberRecord { windows: Windows::open_from(Seq(0)), at: position(30), ..MemberRecord::default() };
    assert_eq!(Sight::of(&member, None, &[]).since, Seq(0));
    assert_eq!(Sight::of(&member, None, &[turned(30, Turn::Joins, None)]).since, Seq(30));
}
