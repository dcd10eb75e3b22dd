//! Groups by what is asked of them: who may what, and that an owner is always there.

mod model;
mod replay;

use std::collections::HashMap;

use dunlin_schema::{
    Content, Entry, Epoch, LinkKey, MessageId, Millis, Position, Sender, Seq, StreamTime, UserName,
    entry::Body,
    group::{GroupCommand, GroupRefusal, GroupRequest, GroupRole, GroupSettingsChange, WhoMay},
    limits,
};

use super::{Decision, Facts, Group, Known};

const PLACES: u64 = 10;

fn name(user: &str) -> UserName {
    user.parse().unwrap()
}

fn sender(user: &str) -> Sender {
    Sender { user: name(user), region: "local".parse().unwrap() }
}

fn names<'a>(users: impl IntoIterator<Item = &'a str>) -> Vec<UserName> {
    users.into_iter().map(name).collect()
}

fn nobodys_group() -> Group {
    Group::of("local".parse().unwrap(), "team".parse().unwrap(), None)
}

fn place(number: u64) -> Position {
    Position { epoch: Epoch(1), seq: Seq(PLACES * number), time: StreamTime(1_000 * number) }
}

fn message(text: &str) -> Content {
    Content::Message { text: Some(text.to_owned()), data: None, attachments: vec![], reply_to: None, mentions: vec![] }
}

/// A group with all that was stored in its log.
struct Team {
    group: Group,
    log: Vec<(Position, Entry)>,
    /// Who lets nobody add them.
    unwilling: Vec<UserName>,
}

impl Team {
    fn new() -> Team {
        Team { group: nobodys_group(), log: Vec::new(), unwilling: Vec::new() }
    }

    /// Alice is the owner, ann an admin, bob a member.
    fn of_three() -> Team {
        let mut team = Team::new();
        for (by, what) in [("alice", "create ann bob"), ("alice", "role ann admin")] {
            assert_eq!(team.ask(by, what), Ok(1), "{what}");
        }
        team
    }

    /// How many entries are stored for what somebody wants.
    fn ask(&mut self, by: &str, what: &str) -> Result<usize, GroupRefusal> {
        self.does(by, command(what))
    }

    fn does(&mut self, by: &str, what: GroupCommand) -> Result<usize, GroupRefusal> {
        let before = self.log.len();
        let id = MessageId::from_parts(Millis(1), before as u128);
        let request = GroupRequest { group: "team".parse().unwrap(), by: sender(by), id, at: self.now(), what };
        let authors = [sender("bob")];
        let (mut found, mut willing) = (None, HashMap::new());
        loop {
            match self.group.decide(&request, Facts { authors: found, willing: Some(&willing) })? {
                Decision::Nothing | Decision::Links { all: false } => return Ok(0),
                Decision::Links { all: true } => return Ok(ALL_LINKS),
                Decision::Store(content) => {
                    self.store(by, content);
                    return Ok(self.log.len() - before);
                }
                Decision::StoreFirst(content) => self.store(by, content),
                Decision::Find(target) => found = Some(if target.time() == BOBS { &authors[..] } else { &[] }),
                Decision::Ask(users) => {
                    willing.extend(users.into_iter().map(|user| (user.clone(), !self.unwilling.contains(&user))));
                }
            }
            assert!(self.log.len() - before < 3, "one step more than there are");
        }
    }

    fn now(&self) -> Millis {
        Millis(self.log.len() as u64)
    }

    fn store(&mut self, by: &str, content: Content) {
        let (at, id) = (place(self.log.len() as u64 + 1), MessageId::from_parts(Millis(1), self.log.len() as u128));
        let to = self.group.address().into();
        let entry = Entry { id, from: sender(by), to, order: None, time: self.now(), body: Body::Content(content) };
        self.group.fold(&entry);
        self.log.push((at, entry));
    }

    fn roles(&self) -> Vec<String> {
        let mut roles: Vec<_> =
            self.group.members.iter().map(|(user, member)| format!("{user} {}", member.role)).collect();
        roles.sort_unstable();
        roles
    }
}

/// What stands for a decision about all links.
const ALL_LINKS: usize = 99;

/// The time of the ids of bob's messages; others were never written.
const BOBS: Millis = Millis(77);

/// What words ask for.
fn command(words: &str) -> GroupCommand {
    let mut words = words.split(' ');
    let verb = words.next().unwrap();
    let rest: Vec<_> = words.collect();
    let target = || MessageId::from_parts(if rest == ["bobs"] { BOBS } else { Millis(5) }, 1);
    let set = |settings| GroupCommand::Set { title: None, settings };
    match verb {
        "create" => {
            let (title, settings) = (None, GroupSettingsChange::default());
            GroupCommand::Create { title, settings, users: names(rest) }
        }
        "add" => GroupCommand::Add(names(rest)),
        "remove" => GroupCommand::Remove(names(rest)),
        "leave" => GroupCommand::Leave,
        "role" => GroupCommand::Role { user: name(rest[0]), role: rest[1].parse().unwrap() },
        "open" => set(GroupSettingsChange { who_may_add: Some(WhoMay::Members), ..Default::default() }),
        "hush" => set(GroupSettingsChange { who_may_write: Some(WhoMay::Admins), ..Default::default() }),
        "link" => GroupCommand::Link { key: LinkKey([1; 32]), until: Millis(9), uses: None },
        "unlink" => GroupCommand::Unlink(None),
        "join" => GroupCommand::Join(LinkKey([1; 32])),
        "delete" => GroupCommand::Delete,
        "say" => GroupCommand::Say(message("hello")),
        "edit" => GroupCommand::Say(Content::Edit { target: target(), text: Some("else".to_owned()), data: None }),
        "unsay" => GroupCommand::Say(Content::Delete { target: target() }),
        "react" => GroupCommand::Say(Content::React { target: target(), emoji: "\u{1f44d}".to_owned(), on: true }),
        verb => panic!("{verb}"),
    }
}

#[test]
fn each_may_what_their_role_lets_them() {
    use GroupRefusal::{Exists, NoSuchMember, NobodyLeft, NotAMember, NotAllowed, NotFound, NotYours};
    let no = Err(NotAllowed);
    let out = Err(NotAMember);
    // what, and what comes of it where alice, the owner, ann, the admin, bob, a member, and eve want it
    for (what, alice, ann, bob, eve) in [
        ("create carol", Err(Exists), Err(Exists), Err(Exists), Err(Exists)),
        ("add carol", Ok(1), Ok(1), no, out),
        ("add bob", Ok(0), Ok(0), no, out),
        ("remove bob", Ok(1), Ok(1), no, out),
        ("remove ann", Ok(1), Ok(1), no, out),
        ("remove alice", Err(NobodyLeft), no, no, out),
        ("remove carol", Ok(0), Ok(0), no, out),
        ("leave", Ok(2), Ok(1), Ok(1), out),
        ("role bob admin", Ok(1), no, no, out),
        ("role bob member", Ok(0), no, no, out),
        ("role carol admin", Err(NoSuchMember), no, no, out),
        ("role alice member", Err(NobodyLeft), no, no, out),
        ("open", Ok(1), Ok(1), no, out),
        ("delete", Ok(1), no, no, out),
        ("link", Ok(0), Ok(0), no, out),
        ("unlink", Ok(ALL_LINKS), Ok(ALL_LINKS), Ok(0), out),
        ("join", Ok(0), Ok(0), Ok(0), Ok(1)),
        ("say", Ok(1), Ok(1), Ok(1), out),
        ("edit bobs", Err(NotYours), Err(NotYours), Ok(1), out),
        ("edit nobodys", Err(NotYours), Err(NotYours), Err(NotYours), out),
        ("unsay bobs", Ok(1), Ok(1), Ok(1), out),
        ("unsay nobodys", Err(NotYours), Err(NotYours), Err(NotYours), out),
        ("react bobs", Ok(1), Ok(1), Ok(1), out),
        ("react nobodys", Err(NotFound), Err(NotFound), Err(NotFound), out),
    ] {
        for (by, expected) in [("alice", alice), ("ann", ann), ("bob", bob), ("eve", eve)] {
            assert_eq!(Team::of_three().ask(by, what), expected, "{by}: {what}");
        }
    }
}

#[test]
fn one_after_the_other() {
    use GroupRefusal::{Exists, NoLink, NobodyLeft, NotAMember, NotAllowed};
    for (name, steps, expected) in [
        (
            "the last owner's leaving promotes the admin, not who joined before",
            vec![
                ("alice", "create bob", Ok(1)),
                ("alice", "add zoe", Ok(1)),
                ("alice", "role zoe admin", Ok(1)),
                ("alice", "leave", Ok(2)),
            ],
            vec!["bob member", "zoe owner"],
        ),
        (
            "of equals who joined first",
            vec![("alice", "create zoe", Ok(1)), ("alice", "add ann bob", Ok(1)), ("alice", "leave", Ok(2))],
            vec!["ann member", "bob member", "zoe owner"],
        ),
        (
            "one of two owners leaves alone",
            vec![("alice", "create bob", Ok(1)), ("alice", "role bob owner", Ok(1)), ("alice", "leave", Ok(1))],
            vec!["bob owner"],
        ),
        ("nobody is left", vec![("alice", "create", Ok(1)), ("alice", "leave", Err(NobodyLeft))], vec!["alice owner"]),
        (
            "who is removed and added again is a member as others are",
            vec![
                ("alice", "create bob", Ok(1)),
                ("alice", "role bob admin", Ok(1)),
                ("alice", "remove bob", Ok(1)),
                ("bob", "say", Err(NotAMember)),
                ("alice", "add bob", Ok(1)),
            ],
            vec!["alice owner", "bob member"],
        ),
        (
            "who joins by a link is a member as others are, and can't before there is a group",
            vec![
                ("bob", "join", Err(NoLink)),
                ("alice", "create", Ok(1)),
                ("bob", "join", Ok(1)),
                ("bob", "join", Ok(0)),
                ("alice", "remove bob", Ok(1)),
                ("bob", "join", Ok(1)),
            ],
            vec!["alice owner", "bob member"],
        ),
        (
            "owners remove each other, but not all",
            vec![
                ("alice", "create bob", Ok(1)),
                ("alice", "role bob owner", Ok(1)),
                ("alice", "remove alice bob", Err(NobodyLeft)),
                ("alice", "remove bob", Ok(1)),
            ],
            vec!["alice owner"],
        ),
        (
            "each is named once, the owner not at all",
            vec![("alice", "create bob bob alice", Ok(1)), ("alice", "add carol carol bob", Ok(1))],
            vec!["alice owner", "bob member", "carol member"],
        ),
        (
            "settings let members in, or be silent",
            vec![
                ("alice", "create bob", Ok(1)),
                ("bob", "add carol", Err(NotAllowed)),
                ("alice", "open", Ok(1)),
                ("alice", "open", Ok(0)),
                ("bob", "add carol", Ok(1)),
                ("bob", "link", Ok(0)),
                ("alice", "hush", Ok(1)),
                ("bob", "say", Err(NotAllowed)),
                ("bob", "edit bobs", Ok(1)),
                ("alice", "say", Ok(1)),
            ],
            vec!["alice owner", "bob member", "carol member"],
        ),
        (
            "what is deleted is nobody's, and never made again",
            vec![
                ("alice", "create bob", Ok(1)),
                ("alice", "delete", Ok(1)),
                ("alice", "say", Err(NotAMember)),
                ("alice", "delete", Err(NotAMember)),
                ("alice", "link", Err(NotAMember)),
                ("alice", "join", Err(NoLink)),
                ("eve", "join", Err(NoLink)),
                ("alice", "create bob", Err(Exists)),
            ],
            vec!["alice owner", "bob member"],
        ),
    ] {
        let mut team = Team::new();
        for (by, what, expected) in steps {
            assert_eq!(team.ask(by, what), expected, "{name}: {by}: {what}");
        }
        assert_eq!(team.roles(), expected, "{name}");
    }
}

#[test]
fn what_a_gateway_lets_nobody_ask_is_refused() {
    let mut team = Team::of_three();
    let many = (0..=limits::GROUP_USERS).map(|number| name(&format!("u{number}"))).collect::<Vec<_>>();
    for what in [GroupCommand::Add(many.clone()), GroupCommand::Remove(many)] {
        assert_eq!(team.does("alice", what), Err(GroupRefusal::TooLarge));
    }
    let Body::Content(removal) = ({
        team.ask("alice", "remove bob").unwrap();
        team.log.last().unwrap().1.body.clone()
    }) else {
        panic!("a removal")
    };
    assert_eq!(team.does("ann", GroupCommand::Say(removal)), Err(GroupRefusal::NotAllowed), "said by the system alone");
    let long = message(&"x".repeat(limits::BODY_BYTES + 1));
    assert_eq!(team.does("ann", GroupCommand::Say(long)), Err(GroupRefusal::TooLarge));
    let mut other = sender("alice");
    other.region = "eu".parse().unwrap();
    assert_eq!(team.group.role(&other), None, "of the same name in another region");
}

#[test]
fn a_message_mentions_members_alone_each_once() {
    let mut team = Team::of_three();
    team.ask("alice", "remove bob").unwrap();
    let mentioning = |users: &[&str]| {
        let mut content = message("hi");
        let Content::Message { mentions, .. } = &mut content else { panic!("a message") };
        *mentions = users.iter().map(|user| user.parse().unwrap()).collect();
        GroupCommand::Say(content)
    };
    assert_eq!(team.does("alice", mentioning(&["ann", "ann@local", "alice"])), Ok(1));
    let Body::Content(Content::Message { mentions, .. }) = &team.log.last().unwrap().1.body else {
        panic!("a message")
    };
    assert_eq!(mentions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ann@local", "alice@local"]);
    for stranger in ["bob", "ann@eu", "eve"] {
        assert_eq!(team.does("alice", mentioning(&["ann", stranger])), Err(GroupRefusal::NoSuchMember), "{stranger}");
    }
    assert_eq!(team.does("alice", mentioning(&["ann", "#team"])), Err(GroupRefusal::NotAllowed));
}

/// Otherwise ann, who takes back her own, would take back what bob has said.
#[test]
fn nobody_writes_under_the_id_of_what_another_has_written() {
    let team = Team::of_three();
    let id = MessageId::from_parts(BOBS, 1);
    for (by, authors, decided) in [
        ("ann", vec![], Ok(())),
        ("ann", vec!["bob"], Err(GroupRefusal::NotYours)),
        ("ann", vec!["ann", "bob"], Err(GroupRefusal::NotYours)),
        ("bob", vec!["bob"], Ok(())),
    ] {
        let what = GroupCommand::Say(message("hello"));
        let request = GroupRequest { group: "team".parse().unwrap(), by: sender(by), id, at: BOBS, what };
        assert_eq!(team.group.decide(&request, Facts::default()), Ok(Decision::Find(id)), "{by}");
        let authors: Vec<_> = authors.into_iter().map(sender).collect();
        let facts = Facts { authors: Some(&authors), ..Facts::default() };
        assert_eq!(team.group.decide(&request, facts).map(|_| ()), decided, "{by}: {authors:?}");
    }
}

#[test]
fn whoever_does_not_let_it_is_not_added_and_the_others_are() {
    let mut team = Team::new();
    team.unwilling = names(["carol", "dave"]);
    assert_eq!(team.ask("alice", "create bob carol"), Ok(1), "a group is made without them");
    assert_eq!(team.roles(), ["alice owner", "bob member"]);
    assert_eq!(team.ask("alice", "add carol"), Err(GroupRefusal::NotLet));
    assert_eq!(team.ask("alice", "add carol bob dave"), Err(GroupRefusal::NotLet), "nobody else is new");
    assert_eq!(team.ask("bob", "add carol"), Err(GroupRefusal::NotAllowed), "who may not add learns nothing of her");
    assert_eq!(team.ask("alice", "add carol erin bob"), Ok(1));
    assert_eq!(team.roles(), ["alice owner", "bob member", "erin member"]);
    assert_eq!(team.does("carol", GroupCommand::Join(LinkKey([17; 32]))), Ok(1), "she joins by herself");
    assert_eq!(team.ask("alice", "add carol"), Ok(0), "who is a member is not asked");
    assert_eq!(team.ask("alice", "remove carol"), Ok(1));
    assert_eq!(team.ask("alice", "add carol"), Err(GroupRefusal::NotLet), "she is asked each time");
}

#[test]
fn a_group_is_full_at_some_point() {
    let mut team = Team::of_three();
    for number in 3..limits::GROUP_MEMBERS {
        team.group.set(name(&format!("u{number}")), Some(super::Member { role: GroupRole::Member, joined: Millis(0) }));
    }
    assert_eq!(team.ask("alice", "add carol"), Err(GroupRefusal::TooManyMembers));
    assert_eq!(team.ask("eve", "join"), Err(GroupRefusal::TooManyMembers));
    assert_eq!(team.ask("alice", "add bob"), Ok(0), "who is in it needs no room");
    assert_eq!(team.ask("alice", "remove bob"), Ok(1));
    assert_eq!(team.ask("alice", "add carol"), Ok(1));
}

#[test]
fn an_id_is_known_as_far_as_the_log_was_read() {
    let mut team = Team::of_three();
    let (bob, mut known) = (sender("bob"), Known::since(StreamTime(500)));
    team.ask("bob", "say").unwrap();
    for (at, entry) in &team.log {
        known.add(at.seq, at.time, entry);
    }
    let (at, said) = team.log.last().unwrap();
    let found = known.said(&bob, said.id).unwrap();
    assert_eq!((found.order, found.time, found.is_message), (at.seq, said.time, true));
    assert_eq!(known.said(&sender("alice"), said.id), None, "another one's id");
    assert_eq!((known.authors(said.id), known.authors(team.log[0].1.id)), (vec![bob.clone()], vec![]));
    assert!(known.covers(StreamTime(500)) && !known.covers(StreamTime(499)));
    let tombstone = said.header().tombstone(at.seq, MessageId::from_parts(Millis(9), 9));
    known.add(Seq(99), StreamTime(9_000), &tombstone);
    assert_eq!(known.authors(said.id), [], "it was erased");
    assert_eq!(known.said(&bob, said.id).unwrap().order, at.seq);
    let mut later = Known::since(StreamTime(0));
    later.add(Seq(99), StreamTime(9_000), &tombstone);
    assert_eq!(later.said(&bob, said.id).unwrap().order, at.seq, "its tombstone alone tells it");
}
