//! Golden bytes of every stored and spoken form. They were worked out apart from this code, from Postcard's and CRC-32C's own
//! definitions: who changes a type sees here what lies in streams and what other people's clients send.

use std::{collections::BTreeMap, fmt::Write as _};

use dunlin_schema::{
    Blob, Code, Content, Cursor, CursorText, Entry, Epoch, Log, LogName, MessageId, Millis, Peer, Position, Sender,
    Seq, Span, Spans, StreamTime, Title,
    content::{Change, Failed, Membership},
    entry::Body,
    frame::{
        Answer, AnswerFrame, Ask, ClientFrame, DeviceItem, Encoding, EntryFrame, Goodbye, Limits, Question, Send,
        ServerFrame, StartAt,
    },
    live::{
        self, ConnectionId, DeviceNews, Joined, LiveEntry, Mark, Met, Present, Removed, RollCall, Signal, UserMessage,
    },
    presence::{Presence, PresenceState},
    record::{DeviceRecord, LastSeen, MarkChange, MarkKind, ReadMark, ReaderRecord, Receipt, Senders, SentMarks},
    settings::Audience,
};

const EPOCH: Epoch = Epoch(1_763_683_100_000_000_000);
pub(crate) const TIME: StreamTime = StreamTime(1_763_683_200_150_000_001);
pub(crate) const AT: Millis = Millis(1_763_683_200_150);
const CURSOR: &str = "AdK6jPwPgLDw_vWN97wYEYGjj4rrkPe8GJbZ152qMwMh7HV9";
const POSITION: Position = Position { epoch: EPOCH, seq: Seq(17), time: TIME };

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn id() -> MessageId {
    "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap()
}

fn target() -> MessageId {
    "7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap()
}

fn user(name: &str) -> Peer {
    Peer::User(name.parse().unwrap())
}

fn group(name: &str) -> Peer {
    Peer::Group(name.parse().unwrap())
}

fn team() -> LogName {
    "#team".parse().unwrap()
}

pub(crate) fn message() -> Content {
    let (text, data) = (Some("hi".into()), Some(Blob(vec![0, 0xff].into())));
    Content::Message { text, data, attachments: vec![], reply_to: Some(target()), mentions: vec![] }
}

fn cursor() -> Cursor {
    Cursor { position: POSITION, at: AT, began: Seq(3) }
}

fn cursor_text() -> CursorText {
    CURSOR.parse().unwrap()
}

#[test]
fn entries() {
    let from = || Sender { user: "alice".parse().unwrap(), region: "local".parse().unwrap() };
    let eu = Sender { user: "alice".parse().unwrap(), region: "eu".parse().unwrap() };
    let bodies = [
        (None, Body::Content(message()), MESSAGE),
        (Some(Seq(17)), Body::Content(Content::Edit { target: target(), text: Some("ho".into()), data: None }), EDIT),
        (None, Body::Content(Content::Delete { target: target() }), DELETE),
        (None, Body::Content(Content::React { target: target(), emoji: "👍".into(), on: true }), REACT),
        (None, Body::Tombstone { sender: eu, id: target() }, TOMBSTONE),
    ];
    for (order, body, golden) in bodies {
        let entry = Entry { id: id(), from: from(), to: "bob@local".parse().unwrap(), order, time: AT, body };
        assert_eq!(hex(&entry.encode()), golden, "{entry:?}");
        assert_eq!(Entry::decode(&bytes(golden)), Ok(entry));
    }
}

#[test]
fn live_messages() {
    let alice = || Sender { user: "alice".parse().unwrap(), region: "eu".parse().unwrap() };
    let to = |address: &str| address.parse().unwrap();
    let entry = LiveEntry { position: POSITION, after: Seq(16), entry: "entry".into() };
    let (delivered, read) = (Some(Seq(17)), None);
    let web = || vec!["web".parse().unwrap()];
    let joined = || Joined { device: "phone".parse().unwrap(), connection: ConnectionId { time: AT, nonce: 300 } };
    for (message, golden) in [
        (UserMessage::Entry(entry), LIVE),
        (
            UserMessage::Signal(Signal { from: alice(), to: to("bob@eu"), kind: "typing".parse().unwrap(), at: AT }),
            SIGNAL,
        ),
        (
            UserMessage::Receipt(live::Receipt::Person {
                by: alice(),
                to: to("alice@eu"),
                delivered,
                read,
                time: AT,
                revision: Seq(300),
                epoch: EPOCH,
                missing: missing(),
            }),
            RECEIPT_PERSON,
        ),
        (
            UserMessage::Mark(Mark { with: to("alice@eu"), read: Seq(17), revision: Seq(300) }),
            "010308616c69636540657511ac02",
        ),
        (UserMessage::Devices(DeviceNews::Joined(joined())), JOINED),
        (UserMessage::Devices(DeviceNews::Met(Met { joined: joined(), earlier: web(), replaced: true })), MET),
        (UserMessage::Devices(DeviceNews::RollCall(RollCall { call: 300 })), "0106ac02"),
        (UserMessage::Devices(DeviceNews::Present(Present { call: 300, devices: web() })), "0107ac020103776562"),
        (
            UserMessage::Devices(DeviceNews::Removed(Removed { device: web().remove(0), at: Millis(5) })),
            "01080377656205",
        ),
        (UserMessage::Devices(DeviceNews::Stays(joined())), STAYS),
        (UserMessage::IsThere, "010a"),
    ] {
        assert_eq!(hex(&message.encode()), golden, "{message:?}");
        assert_eq!(UserMessage::decode(&bytes(golden).into()), Ok(message));
    }
}

#[test]
fn a_cursor() {
    let log = Log::mailbox(&"local".parse().unwrap(), 8, &"bob".parse().unwrap());
    assert_eq!(cursor().seal(&log).to_string(), CURSOR);
    assert_eq!(cursor_text().open(&log), Ok(cursor()));
}

macro_rules! golden {
    ($(($value:expr, $golden:expr $(,)?)),* $(,)?) => {$({
        let value = $value;
        assert_eq!(hex(&value.encode()), $golden, "{value:?}");
        assert_eq!(decode_like(&value, &bytes($golden)), value);
    })*};
}

/// Decodes what the type of `_like` decodes.
fn decode_like<T: Sealed>(_like: &T, bytes: &[u8]) -> T {
    T::open(bytes)
}

trait Sealed {
    fn open(bytes: &[u8]) -> Self;
}

macro_rules! sealed {
    ($($type:ty),*) => {$(
        impl Sealed for $type {
            fn open(bytes: &[u8]) -> Self {
                Self::decode(bytes).unwrap()
            }
        }
    )*};
}

mod accounts;
mod counts;
mod groups;
mod media;
mod services;

sealed!(ReaderRecord, DeviceRecord, Receipt, SentMarks, ReadMark, LastSeen);

#[test]
fn records() {
    let delivered = |log| {
        let device = "phone".parse().unwrap();
        let highest = vec![(Sender { user: "alice".parse().unwrap(), region: "eu".parse().unwrap() }, Seq(17))];
        let senders = matches!(log, Peer::User(_)).then_some(Senders { from: Seq(3), highest });
        Receipt::Delivered { device, log, cursor: cursor(), opened: AT, senders }
    };
    let changes = vec![MarkChange { time: AT, kind: MarkKind::Delivered, order: Seq(17) }];
    let marks = SentMarks { epoch: EPOCH, delivered: Some(Seq(17)), read: None, changes, missing: Spans::default() };
    let record =
        |begins_after| ReaderRecord { owner: "one".into(), position: POSITION, boot: "boot".into(), begins_after };
    golden!(
        (record(None), READER),
        (record(Some(EPOCH)), READER_BEGINS),
        (DeviceRecord { cursor: Some(cursor()), ..DeviceRecord::default() }, DEVICE),
        (DeviceRecord { removed: Some(AT), ..DeviceRecord::default() }, DEVICE_REMOVED),
        (DeviceRecord { title: title(), seen: Some(AT), cursor: Some(cursor()), removed: None }, DEVICE_TITLED),
        (DeviceRecord { title: title(), ..DeviceRecord::default() }, DEVICE_ONLY_TITLED),
        (delivered(user("bob")), RECEIPT),
        (delivered(group("team")), RECEIPT_OF_GROUP),
        (Receipt::Seen { at: AT }, "010296d9d79daa33d2f14b67"),
        (LastSeen { at: AT }, "0196d9d79daa334a2164a1"),
        (Receipt::Read { with: "alice@eu".parse().unwrap(), upto: Seq(17), epoch: EPOCH }, RECEIPT_READ),
        (marks.clone(), SENT_MARKS),
        (SentMarks { missing: missing(), ..marks }, SENT_MARKS_MISSING),
        (ReadMark { epoch: EPOCH, order: Seq(17), time: AT }, READ_MARK),
    );
}

fn missing() -> Spans {
    [Span { above: Seq(3), upto: Seq(8) }].into_iter().collect()
}

fn title() -> Option<Title> {
    Some("TV".parse().unwrap())
}

fn people() -> Vec<String> {
    vec!["bob".into(), "carol@eu".into()]
}

fn receipt(by: Option<&str>, to: &str, order: Option<Seq>, of: Option<u32>) -> ServerFrame {
    let (by, to) = (by.map(dunlin_schema::Open::of_text), dunlin_schema::Open::of_text(to));
    let (since, missing) = if of.is_none() { (Some(AT), missing()) } else { (None, Spans::default()) };
    ServerFrame::Receipt { by, to, order, delivered: Some(17), read: None, of, time: AT, since, missing }
}

fn ask(reference: u64, what: Question) -> ClientFrame {
    ClientFrame::Ask(Ask { reference, what })
}

#[test]
fn client_frames_in_postcard() {
    let cursors =
        BTreeMap::from([(team().into(), StartAt::Live), (LogName::Mailbox.into(), StartAt::Cursor(cursor_text()))]);
    for (frame, golden) in [
        (ClientFrame::Hello { token: Some("eyJ".into()), device: "phone".parse().ok(), cursors }, HELLO),
        (ClientFrame::Hello { token: None, device: None, cursors: BTreeMap::new() }, "00000000"),
        (ClientFrame::Send(Send { id: id(), to: "bob".into(), content: message() }), SEND),
        (ClientFrame::Ack { log: LogName::Mailbox.into(), delivered: Seq(300) }, "0200ac02"),
        (ClientFrame::Ack { log: team().into(), delivered: Seq(1) }, ACK_TEAM),
        (ClientFrame::Ask(Ask { reference: 300, what: Question::Devices {} }), "03ac0200"),
        (
            ClientFrame::Ask(Ask { reference: 1, what: Question::DeviceRemove { device: "phone".parse().unwrap() } }),
            ASK_REMOVE,
        ),
        (ask(2, Question::Block { user: "mallory@eu".parse().unwrap() }), ASK_BLOCK),
        (ask(3, Question::Unblock { user: "mallory@eu".parse().unwrap() }), ASK_UNBLOCK),
        (ask(4, Question::Blocks {}), "030409"),
        (ask(5, Question::Set { who_may_write: Some(Audience::Contacts), who_sees_presence: None }), ASK_SET),
        (ask(6, Question::Settings {}), "03060b"),
        (ask(7, Question::Receipts { to: "bob@eu".parse().unwrap(), order: Seq(300) }), ASK_RECEIPTS),
        (ask(8, Question::DeviceName { device: "phone".parse().unwrap(), title: title() }), ASK_NAME),
        (ask(8, Question::DeviceName { device: "phone".parse().unwrap(), title: None }), ASK_UNNAME),
        (ClientFrame::Signal { to: "bob".into(), kind: "typing".into() }, SAY_SIGNAL),
        (ClientFrame::Read { with: "alice".into(), upto: Seq(300) }, "0505616c696365ac02"),
        (ClientFrame::Ask(Ask { reference: 1, what: Question::Presence { users: people() } }), ASK_PRESENCE),
        (ClientFrame::Ask(Ask { reference: 1, what: Question::Watch { users: people() } }), ASK_WATCH),
        (ClientFrame::Ask(Ask { reference: 1, what: Question::Erase { confirm: "bob".into() } }), "03010403626f62"),
    ] {
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_client(&bytes(golden)), Ok(frame));
    }
}

#[test]
fn server_frames_in_postcard() {
    let (log, cursor) = (|| LogName::Mailbox.into(), cursor_text);
    let entry = |content: Content| {
        ServerFrame::Entry(Box::new(EntryFrame {
            log: log(),
            seq: Seq(17),
            cursor: cursor_text(),
            time: AT,
            id: id(),
            from: dunlin_schema::Open::of_text("alice"),
            to: dunlin_schema::Open::of_text("bob"),
            order: Some(Seq(17)),
            content: content.into(),
        }))
    };
    let (group, users, by) = ("#team".parse().unwrap(), vec!["bob".parse().unwrap()], "alice".parse().unwrap());
    let membership = Content::Membership(Box::new(Membership { group, users, change: Change::Added.into(), by }));
    let (to, code) = ("#team".parse().unwrap(), Code::UnknownOutcome.into());
    let failed = Content::Failed(Box::new(Failed { id: id(), to, code, message: "no".into() }));
    let limits = Limits { frame: 262_144, body: 32_768 };
    let (user, device, region) = ("bob".parse().unwrap(), "phone".parse().unwrap(), "local".parse().unwrap());
    let rejected = ServerFrame::Rejected {
        id: id().to_string(),
        code: Code::RateLimited.into(),
        message: "slow".into(),
        retry_after: Some(Millis(800)),
    };
    let item = |device: &str, last_seen: Option<Millis>| DeviceItem {
        device: device.parse().unwrap(),
        last_seen,
        here: last_seen.is_none(),
        title: title().filter(|_| last_seen.is_some()),
    };
    let items = vec![item("laptop", None), item("phone", Some(AT))];
    let refused = ServerFrame::Refused {
        reference: Some(1),
        code: Code::UnknownFrame.into(),
        message: "no".into(),
        retry_after: Some(Millis(800)),
    };
    let address = dunlin_schema::Open::of_text;
    let state = PresenceState::Offline.into();
    let users = BTreeMap::from([
        (address("bob"), Presence::offline(Some(AT))),
        (address("carol@eu"), Presence::unknown()),
        (address("dave"), Presence::online()),
    ]);
    let goodbye = Goodbye { code: Code::Draining.into(), message: "bye".into(), retry_after: Some(Millis(350)) };
    for (frame, golden) in [
        (ServerFrame::Welcome { user, device, region, server_time: AT, limits }, WELCOME),
        (ServerFrame::Gap { log: log(), from: Millis(1), to: Millis(2), cursor: cursor() }, GAP),
        (entry(message()), ENTRY),
        (entry(membership), ENTRY_MEMBERSHIP),
        (entry(failed), ENTRY_FAILED),
        (ServerFrame::CaughtUp { log: team().into(), seq: Seq(230), cursor: cursor() }, CAUGHT_UP),
        (ServerFrame::Accepted { id: id(), order: Some(Seq(231)), time: AT }, ACCEPTED),
        (rejected, REJECTED),
        (refused, REFUSED),
        (ServerFrame::Goodbye(goodbye), GOODBYE),
        (ServerFrame::Answer(AnswerFrame { reference: 300, what: Answer::Done {}.into() }), "08ac020100"),
        (ServerFrame::Answer(AnswerFrame { reference: 1, what: Answer::Devices { items }.into() }), ANSWER_DEVICES),
        (answer(4, Answer::Blocks { users: vec!["mallory@eu".parse().unwrap()] }), ANSWER_BLOCKS),
        (
            answer(
                6,
                Answer::Settings {
                    who_may_write: Audience::Contacts.into(),
                    who_sees_presence: Audience::Nobody.into(),
                },
            ),
            ANSWER_SETTINGS,
        ),
        (answer(7, Answer::Receipts { stored: AT, delivered: Some(AT), read: None }), ANSWER_RECEIPTS),
        (ServerFrame::Signal { from: dunlin_schema::Open::of_text("alice"), kind: "typing".into() }, SEE_SIGNAL),
        (receipt(Some("bob"), "bob", None, None), RECEIVED),
        (receipt(None, "#team", Some(Seq(9)), Some(1_000)), RECEIVED_BY_MEMBERS),
        (ServerFrame::Marked { with: dunlin_schema::Open::of_text("alice"), read: Seq(300) }, "0c05616c696365ac02"),
        (ServerFrame::Answer(AnswerFrame { reference: 1, what: Answer::Presence { users }.into() }), ANSWER_PRESENCE),
        (ServerFrame::Presence { user: address("bob"), state, last_seen: Some(AT) }, SEE_PRESENCE),
    ] {
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_server(&bytes(golden)), Ok(frame));
    }
}

fn answer(reference: u64, what: Answer) -> ServerFrame {
    ServerFrame::Answer(AnswerFrame { reference, what: what.into() })
}

/// What people write their clients from holds the same bytes, and every frame and code by its number.
#[test]
fn the_description_of_postcard_is_true() {
    let text = include_str!("../../../docs/POSTCARD.md");
    let examples: Vec<String> = text
        .split("\n\n")
        .filter(|block| block.starts_with("    "))
        .map(|block| block.chars().filter(|c| !c.is_whitespace()).collect())
        .collect();
    assert_eq!(
        examples,
        [
            "0200ac02",
            SEND,
            ACK_TEAM,
            HELLO,
            ASK_REMOVE,
            SAY_SIGNAL,
            SEE_SIGNAL,
            WELCOME,
            ACCEPTED,
            REJECTED,
            GOODBYE,
            ANSWER_DEVICES
        ]
    );
    for (names, heading) in
        [(ClientFrame::NAMES, "## What a client says"), (ServerFrame::NAMES, "## What a gateway says")]
    {
        let table = text.split(heading).nth(1).unwrap().split("## ").next().unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert_eq!(rows.len(), names.len(), "{heading}");
        for (number, (row, name)) in rows.iter().zip(names).enumerate() {
            assert!(row.starts_with(&format!("| {number} | `{name}` |")), "{row}");
        }
    }
    let codes = text.split("Codes: ").nth(1).unwrap().split('.').next().unwrap();
    let codes: Vec<&str> = codes.split(',').map(|code| code.trim().trim_matches('`')).collect();
    assert_eq!(codes, Code::ALL.iter().map(|code| code.name()).collect::<Vec<_>>());
}

const MESSAGE: &str = concat!(
    "0101563e3ab5d3d6764c61efb99302bd5b05616c696365056c6f63616c09626f62406c6f63616c0096d9d79daa3300000102",
    "6869010200ff0001ffffffffffffffffffffffffffffffff167bf387"
);
const EDIT: &str = concat!(
    "0101563e3ab5d3d6764c61efb99302bd5b05616c696365056c6f63616c09626f62406c6f63616c011196d9d79d",
    "aa330001ffffffffffffffffffffffffffffffff0102686f00d752d873"
);
const DELETE: &str = concat!(
    "0101563e3ab5d3d6764c61efb99302bd5b05616c696365056c6f63616c09626f62406c6f63616c0096d9d79daa",
    "330002ffffffffffffffffffffffffffffffff0c9ecb3a"
);
const REACT: &str = concat!(
    "0101563e3ab5d3d6764c61efb99302bd5b05616c696365056c6f63616c09626f62406c6f63616c0096d9d79daa",
    "330003ffffffffffffffffffffffffffffffff04f09f918d010ccf6e73"
);
const TOMBSTONE: &str = concat!(
    "0101563e3ab5d3d6764c61efb99302bd5b05616c696365056c6f63616c09626f62406c6f63616c0096d9d79daa",
    "330105616c696365026575ffffffffffffffffffffffffffffffff736fc20d"
);
const LIVE: &str = "010080b0f0fef58df7bc181181a38f8aeb90f7bc1810656e747279";
const JOINED: &str = "01040570686f6e6596d9d79daa33ac02";
const STAYS: &str = "01090570686f6e6596d9d79daa33ac02";
const MET: &str = "01050570686f6e6596d9d79daa33ac02010377656201";
const SAY_SIGNAL: &str = "0403626f6206747970696e67";
const ASK_WATCH: &str = "0301030203626f62086361726f6c406575";
const SEE_PRESENCE: &str = "0a03626f62076f66666c696e650196d9d79daa33";
const ASK_PRESENCE: &str = "0301020203626f62086361726f6c406575";
const ANSWER_PRESENCE: &str =
    "080134020303626f62076f66666c696e650196d9d79daa33086361726f6c40657507756e6b6e6f776e000464617665066f6e6c696e6500";
const SEE_SIGNAL: &str = "0905616c69636506747970696e67";
const RECEIVED: &str = "0b0103626f6203626f62000111000096d9d79daa330196d9d79daa33010308";
const RECEIVED_BY_MEMBERS: &str = "0b0005237465616d010901110001e80796d9d79daa330000";
const SIGNAL: &str = "010105616c69636502657506626f6240657506747970696e6796d9d79daa33";
const RECEIPT_PERSON: &str = "01020005616c69636502657508616c69636540657501110096d9d79daa33ac0280b0f0fef58df7bc18010308";
const RECEIPT_OF_GROUP: &str =
    "01000570686f6e6501047465616d80b0f0fef58df7bc181181a38f8aeb90f7bc1896d9d79daa330396d9d79daa3300e7963217";
const RECEIPT_READ: &str = "010108616c6963654065751180b0f0fef58df7bc182cf86e7b";
const READER: &str = "01036f6e6580b0f0fef58df7bc181181a38f8aeb90f7bc1804626f6f7400a2b3f877";
const READER_BEGINS: &str = "01036f6e6580b0f0fef58df7bc181181a38f8aeb90f7bc1804626f6f740180b0f0fef58df7bc18181b0c3d";
const DEVICE: &str = "010180b0f0fef58df7bc181181a38f8aeb90f7bc1896d9d79daa330300dc1411a0";
const RECEIPT: &str = "01000570686f6e650003626f6280b0f0fef58df7bc181181a38f8aeb90f7bc1896d9d79daa330396d9d79daa3301030105616c6963650265751195e1315d";
const DEVICE_TITLED: &str = "020180b0f0fef58df7bc181181a38f8aeb90f7bc1896d9d79daa330300010254560196d9d79daa33a06aada5";
const DEVICE_ONLY_TITLED: &str = "0200000102545600173b2219";
const ASK_NAME: &str = "03080d0570686f6e6501025456";
const ASK_UNNAME: &str = "03080d0570686f6e6500";
const DEVICE_REMOVED: &str = "01000196d9d79daa33ccf58155";
const SENT_MARKS: &str = "0180b0f0fef58df7bc180111000196d9d79daa33001193977725";
const SENT_MARKS_MISSING: &str = "0280b0f0fef58df7bc180111000196d9d79daa330011010308b1a5d403";
const READ_MARK: &str = "0180b0f0fef58df7bc181196d9d79daa339a13a0ea";
const HELLO: &str = "00010365794a010570686f6e6502003041644b366a507750674c44775f76574e393777594559476a6a3472726b506538474a625a313532714d774d683748563905237465616d046c697665";
const ASK_REMOVE: &str = "0301010570686f6e65";
const ANSWER_DEVICES: &str = "08011f0102066c6170746f7000010570686f6e650196d9d79daa3300020001025456";
const ACK_TEAM: &str = "0205237465616d01";
const SEND: &str = "0101563e3ab5d3d6764c61efb99302bd5b03626f620001026869010200ff0001ffffffffffffffffffffffffffffffff";
const WELCOME: &str = "0003626f620570686f6e65056c6f63616c96d9d79daa33808010808002";
const GAP: &str = concat!(
    "010001023041644b366a507750674c44775f76574e393777594559476a6a3472726b506538474a625a31353271",
    "4d774d6837485639"
);
const ENTRY: &str = concat!(
    "0200113041644b366a507750674c44775f76574e393777594559476a6a3472726b506538474a625a313532714d774d683748",
    "563996d9d79daa3301563e3ab5d3d6764c61efb99302bd5b05616c69636503626f6201111b0001026869010200ff0001ffff",
    "ffffffffffffffffffffffffffff"
);
const CAUGHT_UP: &str = concat!(
    "0305237465616de6013041644b366a507750674c44775f76574e393777594559476a6a3472726b506538474a62",
    "5a313532714d774d6837485639"
);
const ACCEPTED: &str = "041a303141525a334e44454b5453563452524646513639473546415601e70196d9d79daa33";
const REJECTED: &str =
    concat!("051a303141525a334e44454b545356345252464651363947354641560c726174655f6c696d6974656404736c6f", "7701a006");
const ENTRY_MEMBERSHIP: &str = concat!(
    "0200113041644b366a507750674c44775f76574e393777594559476a6a3472726b506538474a625a313532714d",
    "774d683748563996d9d79daa3301563e3ab5d3d6764c61efb99302bd5b05616c69636503626f6201111804052374",
    "65616d0103626f6205616464656405616c696365"
);
const ENTRY_FAILED: &str = concat!(
    "0200113041644b366a507750674c44775f76574e393777594559476a6a3472726b506538474a625a313532714d",
    "774d683748563996d9d79daa3301563e3ab5d3d6764c61efb99302bd5b05616c69636503626f6201112a0501563e",
    "3ab5d3d6764c61efb99302bd5b05237465616d0f756e6b6e6f776e5f6f7574636f6d65026e6f"
);
const REFUSED: &str = "0601010d756e6b6e6f776e5f6672616d65026e6f01a006";
const GOODBYE: &str = "0708647261696e696e670362796501de02";
const ASK_BLOCK: &str = "0302070a6d616c6c6f7279406575";
const ASK_UNBLOCK: &str = "0303080a6d616c6c6f7279406575";
const ASK_SET: &str = "03050a0108636f6e746163747300";
const ANSWER_BLOCKS: &str = "08040d05010a6d616c6c6f7279406575";
const ASK_RECEIPTS: &str = "03070c06626f62406575ac02";
const ANSWER_RECEIPTS: &str = "08070f0796d9d79daa330196d9d79daa3300";
const ANSWER_SETTINGS: &str = "0806110608636f6e7461637473066e6f626f6479";
