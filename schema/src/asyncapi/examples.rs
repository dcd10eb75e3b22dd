//! One conversation, frame by frame: made from the types, so that an example can't go stale.

mod files;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Address, Code, Content, Cursor, CursorText, DeviceName, Epoch, GroupAddress, LinkSecret, LinkToken, Log, LogName,
    MessageId, Millis, Open, Position, RegionName, Seq, Span, Spans, StreamTime, Title, UserName,
    frame::{
        Answer, AnswerFrame, Ask, ClientFrame, ConversationItem, DeviceItem, EntryFrame, Goodbye, GroupItem,
        HistoryEntry, Limits, MemberItem, Question, ReachedItem, ReactionItem, Send, ServerFrame, StartAt,
    },
    group::{GroupRole, GroupSettings, GroupSettingsChange},
    limits,
    presence::{Presence, PresenceState},
    settings::Audience,
};

const NOW: Millis = Millis(1_763_683_200_123);

/// The examples of a client's frame.
pub(super) fn client(name: &str) -> Vec<Value> {
    of(name, &[clients(), files::wanted()].concat())
}

/// The examples of a gateway's frame.
pub(super) fn server(name: &str) -> Vec<Value> {
    of(name, &servers())
}

fn of(name: &str, frames: &[impl Serialize]) -> Vec<Value> {
    frames.iter().map(|frame| json!(frame)).filter(|frame| frame.get(name).is_some()).collect()
}

fn clients() -> Vec<ClientFrame> {
    let cursors = BTreeMap::from([(LogName::Mailbox.into(), StartAt::Cursor(cursor(17)))]);
    vec![
        ClientFrame::Hello { token: Some("eyJ…".to_owned()), device: Some(phone()), cursors },
        ClientFrame::Hello {
            token: None,
            device: None,
            cursors: BTreeMap::from([(LogName::Mailbox.into(), StartAt::Live)]),
        },
        ClientFrame::Send(Send { id: id(0), to: "bob".to_owned(), content: hi() }),
        ClientFrame::Send(Send {
            id: id(1),
            to: "bob@eu".to_owned(),
            content: Content::React { target: id(0), emoji: "👍".to_owned(), on: true },
        }),
        ClientFrame::Ack { log: LogName::Mailbox.into(), delivered: Seq(17) },
        ClientFrame::Ask(Ask { reference: 1, what: Question::Devices {} }),
        ClientFrame::Ask(Ask { reference: 2, what: Question::DeviceRemove { device: phone() } }),
        ClientFrame::Ask(Ask {
            reference: 3,
            what: Question::Presence { users: vec!["bob".to_owned(), "carol@eu".to_owned()] },
        }),
        ClientFrame::Ask(Ask { reference: 4, what: Question::Watch { users: vec!["bob".to_owned()] } }),
        ClientFrame::Ask(Ask { reference: 5, what: Question::Erase { confirm: "bob".to_owned() } }),
        ClientFrame::Ask(Ask { reference: 6, what: Question::Conversations { after: None, limit: 30 } }),
        ClientFrame::Ask(Ask {
            reference: 7,
            what: Question::History { with: Address::local(alice()), before: Some(Seq(18)), limit: 100 },
        }),
        ClientFrame::Ask(Ask { reference: 8, what: Question::Block { user: mallory() } }),
        ClientFrame::Ask(Ask { reference: 9, what: Question::Unblock { user: mallory() } }),
        ClientFrame::Ask(Ask { reference: 10, what: Question::Blocks {} }),
        ClientFrame::Ask(Ask {
            reference: 11,
            what: Question::Set { who_may_write: Some(Audience::Contacts), who_sees_presence: None },
        }),
        ClientFrame::Ask(Ask { reference: 12, what: Question::Settings {} }),
        ClientFrame::Ask(Ask { reference: 13, what: Question::Receipts { to: Address::local(bob()), order: Seq(17) } }),
        ClientFrame::Ask(Ask { reference: 14, what: Question::DeviceName { device: phone(), title: title() } }),
        ClientFrame::Ask(Ask {
            reference: 15,
            what: Question::GroupCreate {
                id: id(2),
                group: team(),
                title: Some("The team".parse().expect("a title")),
                members: vec![Address::local(alice())],
                settings: Some(GroupSettingsChange { history: Some(true), ..GroupSettingsChange::default() }),
            },
        }),
        ClientFrame::Ask(Ask {
            reference: 16,
            what: Question::GroupAdd { id: id(3), group: team(), users: vec![Address::local(alice())] },
        }),
        ClientFrame::Ask(Ask {
            reference: 17,
            what: Question::GroupMembers { group: team(), after: None, limit: 100 },
        }),
        ClientFrame::Ask(Ask {
            reference: 18,
            what: Question::GroupLink { id: id(4), group: team(), ttl: None, uses: Some(5) },
        }),
        ClientFrame::Ask(Ask { reference: 19, what: Question::GroupJoin { id: id(5), token: link() } }),
        ClientFrame::Ask(Ask {
            reference: 20,
            what: Question::ReceiptsOf { to: team(), order: Seq(9), after: None, limit: 100 },
        }),
        ClientFrame::Signal { to: "bob".to_owned(), kind: "typing".to_owned() },
        ClientFrame::Read { with: "alice".to_owned(), upto: Seq(17) },
    ]
}

fn servers() -> Vec<ServerFrame> {
    [of_connections(), answers(), files::given(), news()].concat()
}

/// From the welcome to the goodbye, with what comes between them.
fn of_connections() -> Vec<ServerFrame> {
    vec![
        ServerFrame::Welcome {
            user: bob(),
            device: phone(),
            region: local(),
            server_time: NOW,
            limits: Limits { frame: limits::FRAME_BYTES as u32, body: limits::BODY_BYTES as u32 },
        },
        ServerFrame::Gap {
            log: LogName::Mailbox.into(),
            from: NOW.minus(Millis(100_000)),
            to: NOW,
            cursor: cursor(16),
        },
        ServerFrame::Entry(Box::new(EntryFrame {
            log: LogName::Mailbox.into(),
            seq: Seq(17),
            cursor: cursor(17),
            time: NOW.plus(Millis(27)),
            id: id(0),
            from: Address::local(alice()).into(),
            to: Address::local(bob()).into(),
            order: Some(Seq(17)),
            content: hi().into(),
        })),
        ServerFrame::CaughtUp { log: LogName::Mailbox.into(), seq: Seq(230), cursor: cursor(230) },
        ServerFrame::Accepted { id: id(0), order: Some(Seq(231)), time: NOW.plus(Millis(27)) },
        ServerFrame::Rejected {
            id: id(0).to_string(),
            code: Code::RateLimited.into(),
            message: "more than 200 sends a second".to_owned(),
            retry_after: Some(Millis(800)),
        },
        ServerFrame::Refused {
            reference: None,
            code: Code::UnknownFrame.into(),
            message: "this release knows no frame \"gesture\"".to_owned(),
            retry_after: None,
        },
        ServerFrame::Refused {
            reference: Some(1),
            code: Code::Unavailable.into(),
            message: "the region's storage does not answer".to_owned(),
            retry_after: Some(Millis(1_000)),
        },
        ServerFrame::Goodbye(Goodbye {
            code: Code::Draining.into(),
            message: "this gateway is being replaced".to_owned(),
            retry_after: Some(Millis(350)),
        }),
    ]
}

fn answers() -> Vec<ServerFrame> {
    vec![
        ServerFrame::Answer(AnswerFrame { reference: 1, what: Answer::Devices { items: devices() }.into() }),
        ServerFrame::Answer(AnswerFrame { reference: 2, what: Answer::Done {}.into() }),
        ServerFrame::Answer(AnswerFrame { reference: 3, what: Answer::Presence { users: people() }.into() }),
        ServerFrame::Answer(AnswerFrame { reference: 6, what: conversations().into() }),
        ServerFrame::Answer(AnswerFrame {
            reference: 7,
            what: Answer::History { entries: vec![message()], next: None }.into(),
        }),
        ServerFrame::Answer(AnswerFrame { reference: 10, what: Answer::Blocks { users: vec![mallory()] }.into() }),
        ServerFrame::Answer(AnswerFrame {
            reference: 12,
            what: Answer::Settings {
                who_may_write: Audience::Contacts.into(),
                who_sees_presence: Audience::Everybody.into(),
            }
            .into(),
        }),
        ServerFrame::Answer(AnswerFrame {
            reference: 13,
            what: Answer::Receipts { stored: NOW, delivered: Some(NOW.plus(Millis(80))), read: None }.into(),
        }),
        ServerFrame::Answer(AnswerFrame {
            reference: 15,
            what: Answer::Group(Box::new(GroupItem {
                group: Address::from(team()).into(),
                title: Some("The team".parse().expect("a title")),
                members: 2,
                settings: GroupSettings { history: true, ..GroupSettings::default() },
                role: GroupRole::Owner.into(),
            }))
            .into(),
        }),
        ServerFrame::Answer(AnswerFrame {
            reference: 17,
            what: Answer::Members {
                items: vec![MemberItem {
                    user: Address::local(bob()).into(),
                    role: GroupRole::Owner.into(),
                    joined: NOW,
                }],
                next: None,
            }
            .into(),
        }),
        ServerFrame::Answer(AnswerFrame {
            reference: 18,
            what: Answer::Link { token: link(), expires: NOW.plus(limits::LINK_LASTS) }.into(),
        }),
        ServerFrame::Answer(AnswerFrame {
            reference: 13,
            what: Answer::Counts { stored: NOW, of: 1_000, delivered: 812, read: 400 }.into(),
        }),
        ServerFrame::Answer(AnswerFrame {
            reference: 20,
            what: Answer::ReceiptsOf {
                items: vec![ReachedItem { user: Address::local(bob()).into(), delivered: true, read: false }],
                next: None,
            }
            .into(),
        }),
        ServerFrame::Answer(AnswerFrame {
            reference: 21,
            what: Answer::Without { users: vec![Address::local(bob()).into()], group: None }.into(),
        }),
    ]
}

/// What others do.
fn news() -> Vec<ServerFrame> {
    vec![
        ServerFrame::Signal { from: Address::local(bob()).into(), kind: "typing".to_owned() },
        ServerFrame::Presence {
            user: Address::local(bob()).into(),
            state: PresenceState::Offline.into(),
            last_seen: Some(NOW.minus(Millis(100_000))),
        },
        ServerFrame::Receipt {
            by: Some(Address::local(bob()).into()),
            to: Address::local(bob()).into(),
            order: None,
            delivered: Some(17),
            read: Some(15),
            of: None,
            time: NOW,
            since: Some(NOW.minus(Millis(100_000))),
            missing: Spans::from_iter([Span { above: Seq(3), upto: Seq(8) }]),
        },
        ServerFrame::Receipt {
            by: None,
            to: Open::of_text("#team"),
            order: Some(Seq(9)),
            delivered: Some(812),
            read: Some(400),
            of: Some(1_000),
            time: NOW,
            since: None,
            missing: Spans::default(),
        },
        ServerFrame::Marked { with: Open::of_text("alice"), read: Seq(17) },
        ServerFrame::GroupSignal {
            group: Address::from(team()).into(),
            from: Address::local(bob()).into(),
            kind: "typing".to_owned(),
        },
    ]
}

fn title() -> Option<Title> {
    Some("Bob's phone".parse().expect("a title"))
}

fn devices() -> Vec<DeviceItem> {
    let laptop = DeviceName::new("laptop").expect("`laptop` is a name");
    vec![
        DeviceItem { device: laptop, last_seen: None, here: true, title: None },
        DeviceItem { device: phone(), last_seen: Some(NOW.minus(Millis(100_000))), here: false, title: title() },
    ]
}

fn conversations() -> Answer {
    let with = Address::local(alice()).into();
    let last = Some(message());
    let item = ConversationItem { with, last, unread: 1, read: Some(Seq(16)), mentions: 0, title: None };
    let team = ConversationItem {
        with: Address::from(team()).into(),
        last: None,
        unread: 3,
        read: None,
        mentions: 1,
        title: Some("The team".parse().expect("a title")),
    };
    Answer::Conversations { items: vec![team, item], next: Some(Seq(1_763_683_200_150_000)) }
}

fn message() -> HistoryEntry {
    let thumb =
        ReactionItem { from: Address::local(bob()).into(), emoji: "👍".to_owned(), time: NOW.plus(Millis(900)) };
    HistoryEntry {
        seq: Seq(17),
        time: NOW.plus(Millis(27)),
        id: id(0),
        from: Address::local(alice()).into(),
        to: Address::local(bob()).into(),
        order: Some(Seq(17)),
        content: hi().into(),
        edited: None,
        reactions: vec![thumb],
    }
}

fn people() -> BTreeMap<Open<Address>, Presence> {
    BTreeMap::from([
        (Address::local(bob()).into(), Presence::online()),
        (Open::of_text("carol@eu"), Presence::unknown()),
        (Open::of_text("dave"), Presence::offline(Some(NOW.minus(Millis(100_000))))),
    ])
}

fn link() -> LinkToken {
    LinkToken { group: team(), secret: LinkSecret([17; 16]) }
}

fn team() -> GroupAddress {
    "#team".parse().expect("`#team` is a group's address")
}

fn hi() -> Content {
    Content::Message {
        text: Some("hi".to_owned()),
        data: None,
        attachments: Vec::new(),
        reply_to: None,
        mentions: vec![],
    }
}

fn id(number: u128) -> MessageId {
    MessageId::from_parts(NOW, number)
}

fn alice() -> UserName {
    UserName::new("alice").expect("`alice` is a name")
}

fn bob() -> UserName {
    UserName::new("bob").expect("`bob` is a name")
}

fn mallory() -> Address {
    Address::local(UserName::new("mallory").expect("`mallory` is a name"))
}

fn phone() -> DeviceName {
    DeviceName::new("phone").expect("`phone` is a name")
}

fn local() -> RegionName {
    RegionName::new("local").expect("`local` is a name")
}

fn cursor(seq: u64) -> CursorText {
    let position = Position { epoch: Epoch(1_763_000_000_000_000_000), seq: Seq(seq), time: StreamTime::from(NOW) };
    Cursor::of_entry(position).seal(&Log::mailbox(&local(), limits::SHARDS, &bob()))
}
