//! Frames in JSON: word for word what PROTOCOL.md shows, and a typed refusal for everything that is no frame.

use dunlin_schema::{
    Blob, Code, Content, Log, LogName, MessageId, Open, RegionName, Seq, UserName,
    content::{Change, Failed, Membership, Settings},
    cursor::CursorError,
    frame::{ClientFrame, Encoding, EntryContent, FrameError, Send, ServerFrame, StartAt, UnreadSend},
    group::GroupSettings,
    id::IdError,
    limits,
};
use proptest::{collection, prelude::*};
use serde_json::{Value, json};

use crate::strategy;

const JSON: Encoding = Encoding::Json;
const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
/// A cursor of bob's mailbox.
const CURSOR: &str = "AdK6jPwPgLDw_vWN97wYEYGjj4rrkPe8GJbZ152qMwMh7HV9";

fn read(text: &str) -> Result<ClientFrame, FrameError> {
    JSON.read_client(text.as_bytes())
}

fn malformed(text: &str) -> String {
    match read(text) {
        Err(FrameError::Malformed(reason)) => reason,
        other => panic!("{text:.200} is read as {other:?}"),
    }
}

fn id() -> MessageId {
    ID.parse().unwrap()
}

fn message(text: Option<&str>, data: Option<&[u8]>) -> Content {
    let data = data.map(|data| Blob(data.to_vec().into()));
    Content::Message { text: text.map(str::to_owned), data, attachments: Vec::new(), reply_to: None, mentions: vec![] }
}

#[test]
fn what_a_client_says_is_read_as_the_protocol_writes_it() {
    let hello = r##"{"hello":{"token":"eyJ…","device":"phone","cursors":{"mailbox":"live","#big@eu":"beginning","~new":"b0 Zk="}}}"##;
    let to_come = (Open::Unknown("~new".into()), "b0 Zk=".parse().unwrap());
    let cursors =
        [(LogName::Mailbox.into(), StartAt::Live), (Open::of_text("#big@eu"), StartAt::Beginning), to_come].into();
    let device = "phone".parse().ok();
    assert_eq!(read(hello), Ok(ClientFrame::Hello { token: Some("eyJ…".to_owned()), device, cursors }));

    let send = format!(
        r#"{{"send":{{"id":"{ID}","to":"bob","content":{{"message":{{"text":"hi","data":null,"attachments":[],"reply_to":null}}}}}}}}"#
    );
    let content = message(Some("hi"), None);
    assert_eq!(read(&send), Ok(ClientFrame::Send(Send { id: id(), to: "bob".to_owned(), content })));

    let ack = r#"{"ack":{"log":"mailbox","delivered":17}}"#;
    assert_eq!(read(ack), Ok(ClientFrame::Ack { log: LogName::Mailbox.into(), delivered: Seq(17) }));
    let to_come = r#"{"ack":{"log":"inbox","delivered":17}}"#;
    assert_eq!(read(to_come), Ok(ClientFrame::Ack { log: Open::Unknown("inbox".into()), delivered: Seq(17) }));
}

#[test]
fn what_a_gateway_says_is_written_as_the_protocol_writes_it() {
    let texts = [
        r#"{"welcome":{"user":"bob","device":"phone","region":"local","server_time":1763683200123,"limits":{"frame":65536,"body":32768}}}"#.to_owned(),
        format!(r#"{{"gap":{{"log":"mailbox","from":1763683100000,"to":1763683200000,"cursor":"{CURSOR}"}}}}"#),
        format!(
            r#"{{"entry":{{"log":"mailbox","seq":17,"cursor":"{CURSOR}","time":1763683200150,"id":"{ID}","from":"alice","to":"bob","order":17,"content":{{"message":{{"text":"hi","data":null,"attachments":[],"reply_to":null}}}}}}}}"#
        ),
        format!(r#"{{"caught_up":{{"log":"mailbox","seq":230,"cursor":"{CURSOR}"}}}}"#),
        format!(r#"{{"accepted":{{"id":"{ID}","order":231,"time":1763683200150}}}}"#),
        format!(r#"{{"rejected":{{"id":"{ID}","code":"rate_limited","message":"…","retry_after":800}}}}"#),
        r#"{"refused":{"ref":1,"code":"unsupported","message":"…","retry_after":null}}"#.to_owned(),
        r#"{"goodbye":{"code":"draining","message":"…","retry_after":350}}"#.to_owned(),
    ];
    for text in texts {
        let frame = JSON.read_server(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(JSON.write(&frame)).unwrap(), text);
    }
}

#[test]
fn content_is_one_of_seven() {
    for (text, content) in [
        (r#"{"message":{"text":"hi"}}"#.to_owned(), message(Some("hi"), None)),
        (r#"{"message":{"data":"aGk="}}"#.to_owned(), message(None, Some(b"hi"))),
        (
            format!(r#"{{"edit":{{"target":"{ID}","text":"ho"}}}}"#),
            Content::Edit { target: id(), text: Some("ho".into()), data: None },
        ),
        (format!(r#"{{"delete":{{"target":"{ID}"}}}}"#), Content::Delete { target: id() }),
        (
            format!(r#"{{"react":{{"target":"{ID}","emoji":"👍","on":true}}}}"#),
            Content::React { target: id(), emoji: "👍".into(), on: true },
        ),
        (
            r##"{"membership":{"group":"#team","users":["bob"],"change":"added","by":"alice@eu"}}"##.to_owned(),
            Content::Membership(Box::new(Membership {
                group: "#team".parse().unwrap(),
                users: vec!["bob".parse().unwrap()],
                change: Change::Added.into(),
                by: "alice@eu".parse().unwrap(),
            })),
        ),
        (
            format!(r##"{{"failed":{{"id":"{ID}","to":"#team","code":"quota_exceeded","message":"full"}}}}"##),
            Content::Failed(Box::new(Failed {
                id: id(),
                to: "#team".parse().unwrap(),
                code: Open::Unknown("quota_exceeded".into()),
                message: "full".into(),
            })),
        ),
        (
            concat!(
                r##"{"settings":{"group":"#team","change":"archived","settings":{"who_may_add":"admins","##,
                r##""who_may_write":"bots","history":false},"users":["bob"],"by":"alice"}}"##
            )
            .to_owned(),
            Content::Settings(Box::new(Settings {
                group: "#team".parse().unwrap(),
                change: Open::Unknown("archived".into()),
                title: None,
                settings: GroupSettings { who_may_write: Open::Unknown("bots".into()), ..GroupSettings::default() },
                users: vec!["bob".parse().unwrap()],
                by: "alice".parse().unwrap(),
            })),
        ),
    ] {
        assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content, "{text}");
    }
}

/// What a newer release says never ends a connection of this one: the entry keeps its place, and is written again as it came.
#[test]
fn an_entry_of_a_newer_release_is_read_with_its_place() {
    let entry = |log: &str, content: &str| {
        let text = format!(
            r##"{{"entry":{{"log":"{log}","seq":17,"cursor":"of_another-form","time":1,"id":"{ID}","from":"alice","to":"bob","order":null,"content":{content}}}}}"##
        );
        let Ok(ServerFrame::Entry(entry)) = JSON.read_server(text.as_bytes()) else { panic!("{text}") };
        assert_eq!(json!(ServerFrame::Entry(entry.clone())), text.parse::<Value>().unwrap());
        assert_eq!((entry.seq, entry.cursor.as_str()), (Seq(17), "of_another-form"));
        entry
    };
    for (content, kind) in [
        (r#"{"poll":{"question":"?","options":["a",{"b":1.5}]}}"#, "poll"),
        (r#"{"message":"in another form"}"#, "message"),
        (r#"{"matched":null}"#, "matched"),
    ] {
        let EntryContent::Unknown(unknown) = entry("mailbox", content).content else { panic!("{content}") };
        assert_eq!(unknown.kind(), kind);
    }
    let membership = r##"{"membership":{"group":"#team","users":["bob"],"change":"muted","by":"alice"}}"##;
    let team = entry("#team", membership);
    assert_eq!(team.log.known(), "#team".parse().ok().as_ref());
    let Some(Content::Membership(membership)) = team.content.known() else { panic!("{team:?}") };
    assert_eq!(membership.change, Open::Unknown("muted".into()));
    assert_eq!(entry("~news", r#"{"poll":{}}"#).log, Open::Unknown("~news".into()));
    for none in ["{}", "7", "[]", r#"{"poll":{},"vote":{}}"#] {
        let text = format!(
            r#"{{"entry":{{"log":"mailbox","seq":1,"cursor":"c","time":1,"id":"{ID}","from":"a","to":"b","content":{none}}}}}"#
        );
        assert!(matches!(JSON.read_server(text.as_bytes()), Err(FrameError::Malformed(_))), "{text}");
    }
}

#[test]
fn an_absent_field_and_null_are_the_same() {
    for (absent, null) in [
        (json!({ "hello": {} }), json!({ "hello": { "token": null, "device": null, "cursors": null } })),
        (json!({ "hello": { "cursors": {} } }), json!({ "hello": { "cursors": { "mailbox": null } } })),
        (
            json!({ "send": { "id": ID, "to": "bob", "content": { "message": { "text": "x" } } } }),
            json!({ "send": { "id": ID, "to": "bob", "content": { "message":
                { "text": "x", "data": null, "attachments": null, "reply_to": null } } } }),
        ),
    ] {
        assert_eq!(read(&absent.to_string()).unwrap(), read(&null.to_string()).unwrap(), "{null}");
    }
    for (absent, null) in [
        (json!({ "accepted": { "id": ID, "time": 1 } }), json!({ "accepted": { "id": ID, "order": null, "time": 1 } })),
        (
            json!({ "refused": { "code": "too_old", "message": "" } }),
            json!({ "refused": { "ref": null, "code": "too_old", "message": "" } }),
        ),
    ] {
        let read = |frame: &Value| JSON.read_server(frame.to_string().as_bytes()).unwrap();
        assert_eq!(read(&absent), read(&null), "{null}");
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let plain = json!({ "ack": { "log": "mailbox", "delivered": 17 } });
    let more = json!({ "ack": { "log": "mailbox", "delivered": 17, "shape": [{ "deep": [1, 2.5, null, "x"] }] } });
    assert_eq!(read(&plain.to_string()).unwrap(), read(&more.to_string()).unwrap());
    let content = r#"{"message":{"text":"x","mood":"good"}}"#;
    assert_eq!(serde_json::from_str::<Content>(content).unwrap(), message(Some("x"), None));
}

#[test]
fn an_unknown_frame_is_told_by_its_name() {
    for (text, name) in [
        (r#"{"gesture":{"to":"bob","kind":"typing"}}"#, "gesture"),
        (r#"{"query":{"ref":1,"what":{"blocks":{}}}}"#, "query"),
        (r#"{"Hello":{}}"#, "Hello"),
        (r#"{"welcome":{}}"#, "welcome"), // a gateway's frame is none of a client's
        (r#" { "x" : [[[[]]]] } "#, "x"),
        (r#"{"":null}"#, ""),
        (r#"{"x":1e400}"#, "x"),
    ] {
        assert_eq!(read(text), Err(FrameError::Unknown(name.to_owned())), "{text}");
    }
    let long = read(&format!(r#"{{"{}":1}}"#, "é".repeat(20_000)));
    assert_eq!(long, Err(FrameError::Unknown("é".repeat(64) + "…")), "a name is repeated in part");
}

#[test]
fn what_is_no_frame_is_malformed_and_never_unknown() {
    for text in [
        "",
        " ",
        "{",
        "{}",
        "[]",
        "null",
        "17",
        "\"hello\"",
        "\"gesture\"",
        r#"{"hello":{"#,
        r#"{"hello":{}"#,
        r#"{"hello":{}}x"#,
        r#"{"hello":{}}{"hello":{}}"#,
        r#"{"hello":{},"ack":{"log":"mailbox","delivered":1}}"#,
        r#"{"hello":{},"hello":{}}"#,
        r#"{"gesture":{},"other":{}}"#,
        r#"{"gesture":{},"gesture":{}}"#,
        r#"{"gesture":}"#,
        r#"{"gesture":{}"#,
        r#"{"gesture":{}} x"#,
        r#"{"gesture":1,}"#,
        r#"{gesture:1}"#,
        r#"{1:{}}"#,
        r#"{"hello":null}"#,
        r#"{"hello":17}"#,
        r#"{"send":{}}"#,
        r#"{"ack":{"log":"mailbox"}}"#,
        r#"{"ack":{"log":"mailbox","delivered":1,"delivered":2}}"#,
        r#"{"hello":{"cursors":{"mailbox":"live","mailbox":"beginning"}}}"#,
        r#"{"hello":{"cursors":{"mailbox":null,"mailbox":"live"}}}"#,
        r#"{"hello":{"cursors":{"mailbox":17}}}"#,
        r#"{"hello":{"cursors":[]}}"#,
        r#"{"hello":{"cursors":"live"}}"#,
        r#"{"hello":{"device":"a.b"}}"#,
        r#"{"hello":{"device":""}}"#,
        r#"{"hello":{"token":{}}}"#,
        "{\"hello\":{\"token\":\"a\nb\"}}",
        r#"{"hello":{"token":"\ud800"}}"#,
        "\u{feff}{\"hello\":{}}",
    ] {
        malformed(text);
    }
    assert!(matches!(JSON.read_client(b"{\"hello\":{\"token\":\"\xff\"}}"), Err(FrameError::Malformed(_))), "no UTF-8");
}

#[test]
fn numbers_are_whole_and_below_2_to_53() {
    let ack = |number: &str| read(&format!(r#"{{"ack":{{"log":"mailbox","delivered":{number}}}}}"#));
    for (number, seq) in [("0", 0), ("17", 17), ("9007199254740991", (1 << 53) - 1)] {
        assert_eq!(ack(number), Ok(ClientFrame::Ack { log: LogName::Mailbox.into(), delivered: Seq(seq) }), "{number}");
    }
    let digits = "9".repeat(60_000);
    for number in [
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "1.5",
        "17.0",
        "1e3",
        "1e999",
        "NaN",
        "017",
        "\"17\"",
        "true",
        &digits,
    ] {
        assert!(matches!(ack(number), Err(FrameError::Malformed(_))), "{number:.30}");
    }
}

#[test]
fn deep_nesting_is_refused_and_never_overflows() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(60_000 / open.len()) + "1" + &close.repeat(60_000 / open.len());
        malformed(&deep[..60_000]);
        malformed(&format!(r#"{{"send":{deep}}}"#));
        let unknown = read(&format!(r#"{{"gesture":{deep}}}"#));
        assert!(unknown.is_err(), "whatever it is called, it is refused");
        let ignored = read(&format!(r#"{{"ack":{{"log":"mailbox","delivered":1,"more":{deep}}}}}"#));
        assert!(ignored.is_ok() || matches!(ignored, Err(FrameError::Malformed(_))));
    }
}

#[test]
fn bytes_are_base64_as_programs_write_it() {
    let data = |text: &str| {
        read(&format!(r#"{{"send":{{"id":"{ID}","to":"bob","content":{{"message":{{"data":{text}}}}}}}}}"#))
    };
    for (text, bytes) in [
        (r#""""#, &b""[..]),
        (r#""aGk=""#, b"hi"),
        (r#""AP+/""#, &[0, 0xff, 0xbf]),
        (r#""\u0061Gk=""#, b"hi"),
        (r#""aGk""#, b"hi"),
        (r#""AP-_""#, &[0, 0xff, 0xbf]),
        (r#""aG\r\nk=\n""#, b"hi"),
        (r#""a Gk""#, b"hi"),
    ] {
        let content = message(None, Some(bytes));
        assert_eq!(data(text), Ok(ClientFrame::Send(Send { id: id(), to: "bob".to_owned(), content })), "{text}");
    }
    for text in
        [r#""aGl=""#, r#""aGk==""#, r#""aGk=aGk=""#, r#""é""#, r#""=""#, r#""a""#, r#""a.k=""#, "[104,105]", "17", "{}"]
    {
        let Err(FrameError::Malformed(reason)) = data(text) else { panic!("{text}") };
        assert!(!text.starts_with('"') || reason.contains("`data` is base64"), "{text}: {reason}");
    }
}

#[test]
fn a_bad_address_leaves_the_frame_readable() {
    let text = format!(r#"{{"send":{{"id":"{ID}","to":"b*b","content":{{"message":{{"text":"x"}}}}}}}}"#);
    let Ok(ClientFrame::Send(send)) = read(&text) else { panic!("{text}") };
    assert_eq!(send.id, id(), "so that its refusal names the id");
    assert!(send.address().is_err());
}

#[test]
fn a_send_of_unknown_content_is_known_by_its_id() {
    let unread = |text: &str| JSON.unread_send(text.as_bytes());
    for content in [r#"{"poll":{"question":"?"}}"#, "17", r#"{"message":{"data":"%"}}"#, r#"{"react":{}}"#] {
        let text = format!(r#"{{"send":{{"id":"{ID}","to":"bob","content":{content}}}}}"#);
        malformed(&text);
        assert_eq!(unread(&text), Some(UnreadSend { id: ID.to_owned(), bad_id: None }), "{text}");
    }
    // An id that is none is told as it came: a UUID, small letters, what JSON escapes; of a long one the beginning.
    let with_id = |id: &str| {
        let text = json!({ "send": { "id": id, "to": "bob", "content": { "message": { "text": "hi" } } } }).to_string();
        malformed(&text);
        unread(&text).unwrap()
    };
    let most = "x".repeat(limits::ID_BYTES);
    for bad in ["8c7f1a3e-5b0d-4c7e-9a51-0d4c1f0a7b11", &ID.to_lowercase(), "", "\u{1}\"é", &most] {
        assert_eq!(with_id(bad), UnreadSend { id: bad.to_owned(), bad_id: Some(IdError.to_string()) });
    }
    let counted = unread(r#"{"send":{"id":17,"to":"bob","content":{"message":{"text":"hi"}}}}"#).unwrap();
    assert_eq!(counted, UnreadSend { id: "17".to_owned(), bad_id: Some(IdError.to_string()) });
    let longest = most.clone() + &"x".repeat(10 * 1024);
    for (long, told) in [(longest, &most[..]), (format!("{}é", &most[1..]), &most[1..])] {
        let UnreadSend { id, bad_id } = with_id(&long);
        assert_eq!(id, told);
        let bad_id = bad_id.unwrap();
        assert!(bad_id.contains(&format!("has {} bytes", long.len())), "{bad_id}");
    }
    for text in [
        "",
        r#"{"send":{"to":"bob","content":{"poll":{}}}}"#,
        r#"{"send":{"id":null,"to":"bob","content":{"poll":{}}}}"#,
        r#"{"send":{"id":{},"to":"bob","content":{"poll":{}}}}"#,
        &format!(r#"{{"send":{{"id":"{ID}","id":"{ID}"}}}}"#),
        &format!(r#"{{"send":{{"id":"{ID}"}},"ack":{{}}}}"#),
        &format!(r#"{{"send":{{"id":"{ID}""#),
        &format!(r#"{{"ack":{{"id":"{ID}"}}}}"#),
        &format!(r#"{{"forward":{{"id":"{ID}"}}}}"#),
    ] {
        assert_eq!(unread(text), None, "{text}");
    }
}

#[test]
fn a_reason_quotes_little_of_the_frame() {
    let long = "\u{1}".repeat(30_000);
    for text in [
        json!({ "hello": { "cursors": long } }),
        json!({ "send": { "id": long, "to": "bob", "content": { "delete": { "target": ID } } } }),
        json!({ "hello": { "token": { "x": long } } }),
        json!({ "hello": { "device": long } }),
        json!({ "ack": { "log": "mailbox", "delivered": long } }),
        json!(long),
    ] {
        let reason = malformed(&text.to_string());
        assert!(reason.chars().count() <= 257, "{} characters", reason.chars().count());
    }
}

#[test]
fn a_cursor_longer_than_any_is_read_as_one_that_cannot_be_opened() {
    let hello = |cursor: &str| read(&json!({ "hello": { "cursors": { "mailbox": cursor } } }).to_string());
    let longest = "A".repeat(limits::CURSOR_BYTES);
    let Ok(ClientFrame::Hello { cursors, .. }) = hello(&longest) else { panic!("the longest is read") };
    assert_eq!(cursors[&LogName::Mailbox.into()].to_string(), longest, "as it came");
    let log = Log::mailbox(&RegionName::new("local").unwrap(), 8, &UserName::new("bob").unwrap());
    let Ok(ClientFrame::Hello { cursors, .. }) = hello(&format!("{longest}A")) else { panic!("a longer one is read") };
    let StartAt::Cursor(cursor) = &cursors[&LogName::Mailbox.into()] else { panic!("{cursors:?}") };
    assert_eq!(cursor.open(&log), Err(CursorError::Unreadable));
}

#[test]
fn neither_token_nor_body_reaches_a_log() {
    for text in [
        r#"{"hello":{"token":"secret"}}"#.to_owned(),
        format!(r#"{{"send":{{"id":"{ID}","to":"bob","content":{{"message":{{"text":"secret"}}}}}}}}"#),
    ] {
        let shown = format!("{:?}", read(&text).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn of_a_hello_a_bounded_number_of_logs_is_kept_and_the_mailbox() {
    for count in [limits::CURSORS, limits::CURSORS + 1, 2_000] {
        let groups: Vec<_> = (0..count).map(|log| format!(r##""#{log:05}":"live""##)).collect();
        let text = format!(r#"{{"hello":{{"cursors":{{{},"mailbox":"beginning"}}}}}}"#, groups.join(","));
        let Ok(ClientFrame::Hello { cursors, .. }) = read(&text) else { panic!("a hello of {count}") };
        assert_eq!(cursors.len(), limits::CURSORS + 1);
        assert_eq!(cursors.get(&LogName::Mailbox.into()), Some(&StartAt::Beginning));
        assert!(cursors.contains_key(&Open::of_text("#00511")) && !cursors.contains_key(&Open::of_text("#00512")));
    }
}

#[test]
fn every_code_is_read_and_a_strange_one_is_kept_as_it_came() {
    let refused =
        |code: &str| JSON.read_server(format!(r#"{{"refused":{{"code":"{code}","message":""}}}}"#).as_bytes());
    assert!(matches!(refused("bad_frame"), Ok(ServerFrame::Refused { code: Open::Known(Code::BadFrame), .. })));
    for code in ["BadFrame", "bad-frame", "BAD_FRAME", ""] {
        let Ok(ServerFrame::Refused { code: Open::Unknown(kept), .. }) = refused(code) else { panic!("{code:?}") };
        assert_eq!(kept, code);
    }
}

#[test]
fn a_subprotocol_names_its_encoding() {
    assert_eq!(Encoding::of_subprotocol("dunlin.v1.json"), Some(Encoding::Json));
    assert_eq!(Encoding::of_subprotocol("dunlin.v1.postcard"), Some(Encoding::Postcard));
    for name in ["", "dunlin.v2.json", "dunlin.v1.JSON", " dunlin.v1.json", "dunlin.v1.json,dunlin.v1.postcard"] {
        assert_eq!(Encoding::of_subprotocol(name), None, "{name:?}");
    }
}

#[test]
fn the_largest_body_fits_into_a_frame_and_its_entry_into_the_queue() {
    let text = "\u{1}".repeat(limits::BODY_BYTES);
    assert_eq!(message(Some(&text), None).check(), Ok(()));
    let written = JSON.write(&message(Some(&text), None)).len();
    assert!(written + 4 * 1024 < limits::FRAME_BYTES.min(limits::OUTBOUND_BYTES), "{written}");
    let data = vec![0xff; limits::BODY_BYTES];
    assert!(JSON.write(&message(None, Some(&data))).len() + 4 * 1024 < limits::FRAME_BYTES);
}

proptest! {
    #[test]
    fn a_clients_frame_comes_back_as_it_was(frame in strategy::client_frame()) {
        prop_assert_eq!(JSON.read_client(&JSON.write(&frame)), Ok(frame));
    }

    #[test]
    fn a_gateways_frame_comes_back_as_it_was(frame in strategy::server_frame()) {
        // A reference is the client's own number, which its JSON may not hold exactly; all else is the same.
        prop_assert_eq!(JSON.read_server(&JSON.write(&frame)), Ok(frame));
    }

    #[test]
    fn a_frame_is_one_object_with_one_key_of_the_list(frame in strategy::server_frame(), client in strategy::client_frame()) {
        for (bytes, names) in [(JSON.write(&frame), ServerFrame::NAMES), (JSON.write(&client), ClientFrame::NAMES)] {
            let value: serde_json::Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
            let keys: Vec<_> = value.keys().map(String::as_str).collect();
            prop_assert!(keys.len() == 1 && names.contains(&keys[0]), "{:?}", keys);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(JSON.read_client(&bytes).is_err() && JSON.read_server(&bytes).is_err());
    }

    #[test]
    fn almost_a_frame(frame in strategy::client_frame(), cut in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = JSON.write(&frame);
        let at = cut.index(bytes.len());
        prop_assert!(matches!(JSON.read_client(&bytes[..at]), Err(FrameError::Malformed(_))), "cut at {}", at);
        bytes[at] = with;
        if let Ok(read) = JSON.read_client(&bytes) {
            prop_assert_eq!(JSON.read_client(&JSON.write(&read)), Ok(read));
        }
    }
}
