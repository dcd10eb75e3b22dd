//! Questions that can't be read: what their refusal names.

use dunlin_schema::{
    Address, Code,
    frame::{
        Answer, AnswerFrame, Ask, ClientFrame, DeviceItem, Encoding, FrameError, Question, ServerFrame, UnreadAsk,
    },
    settings::Audience,
};

const JSON: Encoding = Encoding::Json;
const POSTCARD: Encoding = Encoding::Postcard;

fn read(text: &str) -> Result<ClientFrame, FrameError> {
    JSON.read_client(text.as_bytes())
}

fn unknown(reference: Option<u64>, name: &str) -> UnreadAsk {
    let message = format!("this release knows no question {name:?}");
    UnreadAsk { reference, code: Code::UnknownQuestion, message }
}

fn bob() -> Address {
    "bob@eu".parse().unwrap()
}

fn set(who_may_write: Option<Audience>, who_sees_presence: Option<Audience>) -> Question {
    Question::Set { who_may_write, who_sees_presence }
}

#[test]
fn questions_and_answers_are_objects_also_without_fields() {
    let ask = |reference, what| ClientFrame::Ask(Ask { reference, what });
    let device: dunlin_schema::DeviceName = "phone".parse().unwrap();
    for (text, expected) in [
        (r#"{"ask":{"ref":1,"what":{"devices":{}}}}"#, ask(1, Question::Devices {})),
        (r#"{"ask":{"what":{"devices":{"of":"a newer release"}},"ref":0}}"#, ask(0, Question::Devices {})),
        (r#"{"ask":{"ref":3,"what":{"block":{"user":"bob@eu"}}}}"#, ask(3, Question::Block { user: bob() })),
        (r#"{"ask":{"ref":3,"what":{"unblock":{"user":"bob@eu"}}}}"#, ask(3, Question::Unblock { user: bob() })),
        (r#"{"ask":{"ref":3,"what":{"set":{}}}}"#, ask(3, set(None, None))),
        (r#"{"ask":{"ref":3,"what":{"set":{"who_may_write":null}}}}"#, ask(3, set(None, None))),
        (
            r#"{"ask":{"ref":3,"what":{"set":{"who_may_write":"contacts","who_sees_presence":"nobody"}}}}"#,
            ask(3, set(Some(Audience::Contacts), Some(Audience::Nobody))),
        ),
        (
            r#"{"ask":{"ref":2,"what":{"device_remove":{"device":"phone"}}}}"#,
            ask(2, Question::DeviceRemove { device: device.clone() }),
        ),
        (
            r#"{"ask":{"ref":2,"what":{"device_name":{"device":"phone"}}}}"#,
            ask(2, Question::DeviceName { device: device.clone(), title: None }),
        ),
        (
            r#"{"ask":{"ref":2,"what":{"device_name":{"device":"phone","title":null}}}}"#,
            ask(2, Question::DeviceName { device: device.clone(), title: None }),
        ),
        (
            r#"{"ask":{"ref":3,"what":{"conversations":{"limit":18446744073709551616}}}}"#,
            ask(3, Question::Conversations { after: None, limit: u64::MAX }),
        ),
        (
            r#"{"ask":{"ref":2,"what":{"device_name":{"device":"phone","title":"Bob's 📱"}}}}"#,
            ask(2, Question::DeviceName { device, title: "Bob's 📱".parse().ok() }),
        ),
    ] {
        assert_eq!(read(text), Ok(expected), "{text}");
    }
    assert_eq!(serde_json::to_string(&Question::Devices {}).unwrap(), r#"{"devices":{}}"#);
    assert_eq!(serde_json::to_string(&Answer::Done {}).unwrap(), r#"{"done":{}}"#);
}

#[test]
fn a_question_that_is_not_known_is_told_by_its_number_and_name() {
    let long = "q".repeat(100);
    for (text, expected) in [
        (r#"{"ask":{"ref":7,"what":{"weather":{"users":["bob"]}}}}"#, unknown(Some(7), "weather")),
        (r#"{"ask":{"what":{"gestures":{}},"ref":9007199254740991}}"#, unknown(Some((1 << 53) - 1), "gestures")),
        (r#"{"ask":{"what":{"gestures":7},"ref":9007199254740992}}"#, unknown(None, "gestures")),
        (r#"{"ask":{"what":{"gestures":{}}}}"#, unknown(None, "gestures")),
        (r#"{"ask":{"ref":null,"what":{"gestures":{}}}}"#, unknown(None, "gestures")),
        (r#"{"ask":{"ref":-1,"what":{"gestures":{}}}}"#, unknown(None, "gestures")),
        (r#"{"ask":{"ref":1.5,"what":{"gestures":{}}}}"#, unknown(None, "gestures")),
        (&format!(r#"{{"ask":{{"ref":7,"what":{{"{long}":{{}}}}}}}}"#), unknown(Some(7), &format!("{}…", &long[..64]))),
    ] {
        assert!(matches!(read(text), Err(FrameError::Malformed(_))), "{text}");
        assert_eq!(JSON.unread_ask(text.as_bytes()), Some(expected), "{text}");
    }
    for (bytes, expected) in [
        (&[3, 7, 99][..], unknown(Some(7), "99")),
        (&[3, 0xac, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2], unknown(Some(300), "4294967295")),
    ] {
        assert!(POSTCARD.read_client(bytes).is_err(), "{bytes:?}");
        assert_eq!(POSTCARD.unread_ask(bytes), Some(expected), "{bytes:?}");
    }
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    for (question, code) in [("to_come", Code::UnknownQuestion), ("device_remove", Code::BadQuestion)] {
        let text = format!(r#"{{"ask":{{"ref":5,"what":{{"{question}":{deep}}}}}}}"#);
        let unread = JSON.unread_ask(text.as_bytes()).unwrap();
        assert_eq!((unread.reference, unread.code), (Some(5), code), "{}", unread.message);
    }
    assert_eq!(JSON.unread_ask(br#"{"ack":7}"#), None);
    for bytes in [&[2, 7, 9][..], &[]] {
        assert_eq!(POSTCARD.unread_ask(bytes), None, "{bytes:?}");
    }
}

#[test]
fn what_is_wrong_with_a_question_is_told_with_the_fields_name() {
    let (of_ref, of_what) = ("`ref` is a whole number from 0 up, below 2^53", "`what` is an object with one key");
    let devices = r#""what":{"devices":{}}"#;
    for (ask, reference, words) in [
        (r#""ref":7,"what":{"device_remove":{}}"#, Some(7), "in `device_remove`: missing field `device`"),
        (
            r#""ref":7,"what":{"device_remove":{"device":"my phone"}}"#,
            Some(7),
            "in `device_remove`: `device`: a name is made of A-Z a-z 0-9 _ and -, not of ' '",
        ),
        (r#""ref":7,"what":{"device_remove":{"device":""}}"#, Some(7), "`device`: a name needs at least one character"),
        (r#""ref":7,"what":{"device_remove":{"device":7}}"#, Some(7), "expected a string for `device`"),
        (r#""ref":7,"what":{"device_remove":{"device":null}}"#, Some(7), "expected a string for `device`"),
        (r#""ref":7,"what":{"device_remove":{"device":"a","device":"b"}}"#, Some(7), "twice"),
        (r#""ref":7,"what":{"device_remove":["phone",1]}"#, Some(7), "`device_remove` is an object"),
        (r#""ref":7,"what":{"device_name":{"title":"TV"}}"#, Some(7), "missing field `device`"),
        (
            r#""ref":7,"what":{"device_name":{"device":"a","title":""}}"#,
            Some(7),
            "`title`: a title needs at least one character",
        ),
        (r#""ref":7,"what":{"device_name":{"device":"a","title":7}}"#, Some(7), "expected a string for `title`"),
        (
            r#""ref":7,"what":{"device_name":{"device":"a","title":"a\nb"}}"#,
            Some(7),
            "`title`: a title has no control characters",
        ),
        (r#""ref":7,"what":{"conversations":{}}"#, Some(7), "missing field `limit`"),
        (r#""ref":7,"what":{"conversations":{"limit":0}}"#, Some(7), "expected a whole number from 1 up for `limit`"),
        (r#""ref":7,"what":{"conversations":{"limit":-1}}"#, Some(7), "expected a whole number from 1 up for `limit`"),
        (
            r#""ref":7,"what":{"conversations":{"limit":30.0}}"#,
            Some(7),
            "expected a whole number from 1 up for `limit`",
        ),
        (
            r#""ref":7,"what":{"conversations":{"limit":1,"after":-1}}"#,
            Some(7),
            "in `conversations`: `after`: invalid value: integer `-1`",
        ),
        (r#""ref":7,"what":{"presence":{"users":["bob",7]}}"#, Some(7), "in `presence`: `users`: "),
        (r#""ref":7,"what":{"erase":{"confirm":7}}"#, Some(7), "in `erase`: `confirm`: "),
        (
            r#""ref":7,"what":{"device_name":{"device":"a","title":"\u200b \u2800\ufe0f"}}"#,
            Some(7),
            "in `device_name`: `title`: a title needs a character that can be seen",
        ),
        (r#""ref":7,"what":{"history":{"with":"a b","limit":1}}"#, Some(7), "`with`: in the address"),
        (r#""ref":7,"what":{"history":{"limit":1}}"#, Some(7), "missing field `with`"),
        (
            r#""ref":7,"what":{"history":{"with":"bob","limit":1,"before":9007199254740992}}"#,
            Some(7),
            "in `history`: `before`: a sequence is below 2^53",
        ),
        (r#""ref":7,"what":{"receipts":{"order":1}}"#, Some(7), "missing field `to`"),
        (r#""ref":7,"what":{"receipts":{"to":"bob"}}"#, Some(7), "missing field `order`"),
        (r#""ref":7,"what":{"receipts":{"to":"a b","order":1}}"#, Some(7), "in `receipts`: `to`: in the address"),
        (r#""ref":7,"what":{"receipts_of":{"to":"bob","order":1,"limit":1}}"#, Some(7), "`to`: "),
        (r##""ref":7,"what":{"receipts_of":{"to":"#a","order":1}}"##, Some(7), "missing field `limit`"),
        (r##""ref":7,"what":{"receipts_of":{"to":"#a","order":1,"after":"x y","limit":1}}"##, Some(7), "`after`: "),
        (r#""ref":7,"what":{"receipts":{"to":"bob","order":-1}}"#, Some(7), "in `receipts`: `order`: "),
        (r#""ref":7,"what":{"receipts":{"to":"bob","order":"17"}}"#, Some(7), "`order`: invalid type: string \"17\""),
        (r#""ref":7,"what":{"receipts":{"to":"bob","order":1.5}}"#, Some(7), "expected a whole number"),
        (r#""ref":7,"what":{"receipts":{"to":"bob","order":9007199254740992}}"#, Some(7), "a sequence is below 2^53"),
        (r#""ref":7,"what":{"block":{"user":"a b"}}"#, Some(7), "in `block`: `user`: in the address: a name is made"),
        (r#""ref":7,"what":{"block":{"user":["bob"]}}"#, Some(7), "expected a string for `user`"),
        (r#""ref":7,"what":{"block":{}}"#, Some(7), "missing field `user`"),
        (
            r#""ref":7,"what":{"set":{"who_may_write":"friends"}}"#,
            Some(7),
            "it is one of everybody, contacts and nobody",
        ),
        (r#""ref":7,"what":{"set":{"who_may_write":7}}"#, Some(7), "in `set`: `who_may_write`: "),
        (r#""ref":7,"what":{"devices":null}"#, Some(7), "`devices` is an object"),
        (r#""ref":7,"what":"devices""#, Some(7), of_what),
        (r#""ref":7,"what":{"devices":{},"gestures":{}}"#, Some(7), of_what),
        (r#""ref":7,"what":{}"#, Some(7), of_what),
        (r#""ref":7,"what":7"#, Some(7), of_what),
        (r#""ref":7"#, Some(7), of_what),
        (devices, None, of_ref),
        (&format!(r#""ref":null,{devices}"#), None, of_ref),
        (&format!(r#""ref":"7",{devices}"#), None, of_ref),
        (&format!(r#""ref":-7,{devices}"#), None, of_ref),
        (&format!(r#""ref":7.5,{devices}"#), None, of_ref),
        (&format!(r#""ref":9007199254740992,{devices}"#), None, of_ref),
        (&format!(r#""ref":18446744073709551616,{devices}"#), None, of_ref),
        (r#""ref":"7","what":7"#, None, of_ref),
    ] {
        is_bad(JSON, format!(r#"{{"ask":{{{ask}}}}}"#).as_bytes(), reference, words);
    }
    for ask in ["7", "null", r#""devices""#] {
        is_bad(JSON, format!(r#"{{"ask":{ask}}}"#).as_bytes(), None, "`ask` is an object with `ref` and `what`");
    }
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    for (bytes, reference, words) in [
        (&[3, 7, 1][..], Some(7), "`device_remove`"),
        (&[3, 7, 1, 1, b' '], Some(7), "`device_remove`"),
        (&[3, 7], Some(7), "`what`"),
        (&[3], None, of_ref),
        (&[3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0], None, of_ref), // 2^53
        (&[&[3][..], &most, &[1]].concat(), Some((1 << 53) - 1), "`device_remove`"),
    ] {
        is_bad(POSTCARD, bytes, reference, words);
    }
}

fn is_bad(encoding: Encoding, bytes: &[u8], of: Option<u64>, words: &str) {
    let text = String::from_utf8_lossy(bytes);
    assert!(matches!(encoding.read_client(bytes), Err(FrameError::Malformed(_))), "{text}");
    let UnreadAsk { reference, code, message } = encoding.unread_ask(bytes).unwrap();
    assert_eq!((reference, code), (of, Code::BadQuestion), "{text}: {message}");
    assert!(message.contains(words), "{text}: {message}");
}

/// What a client's developer reads names nothing that only this program has.
#[test]
fn a_reason_has_no_names_of_types() {
    for text in [
        "7",
        r#""hello""#,
        r#"{"hello":7}"#,
        r#"{"hello":{"device":7}}"#,
        r#"{"hello":{"cursors":7}}"#,
        r#"{"ack":{"log":"mailbox","delivered":"7"}}"#,
        r#"{"ack":{"log":7,"delivered":7}}"#,
        r#"{"ack":7}"#,
        r#"{"ask":{"ref":"7"}}"#,
        r#"{"ask":7}"#,
        r#"{"ask":{"ref":7,"what":"devices"}}"#,
        r#"{"ask":{"ref":7,"what":{"devices":null}}}"#,
        r#"{"send":7}"#,
        r#"{"send":{"id":7}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":7}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":"bob","content":7}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":"bob","content":"message"}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":"bob","content":{"poll":{}}}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":"bob","content":{"message":7}}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":"bob","content":{"message":{"text":7}}}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":"bob","content":{"message":{"attachments":7}}}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":"bob","content":{"react":{"on":"yes"}}}}"#,
        r#"{"send":{"id":"01JD0000000000000000000000","to":"bob","content":{"membership":7}}}"#,
    ] {
        let Err(FrameError::Malformed(told)) = read(text) else { panic!("{text} is read") };
        let names = ["struct", "variant", "enum", "::", "u64", "u32", "Frame", "Content", "Question", "Ask", "Send"];
        assert!(names.iter().all(|name| !told.contains(name)), "{text}: {told}");
    }
}

#[test]
fn the_lists_of_names_are_as_long_as_the_enums() {
    for (number, name) in Question::NAMES.iter().enumerate() {
        let fields = match *name {
            "device_remove" | "device_name" => r#"{"device":"phone"}"#,
            "presence" | "watch" => r#"{"users":["bob"]}"#,
            "erase" => r#"{"confirm":"bob"}"#,
            "conversations" => r#"{"limit":30}"#,
            "history" => r#"{"with":"bob","limit":30}"#,
            "block" | "unblock" => r#"{"user":"bob"}"#,
            "receipts" => r#"{"to":"bob","order":17}"#,
            "group_create" | "group_leave" | "group_set" | "group_delete" => {
                r##"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","group":"#team"}"##
            }
            "group_add" | "group_remove" => r##"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","group":"#team","users":["bob"]}"##,
            "group_role" => r##"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","group":"#team","user":"bob","role":"admin"}"##,
            "group_info" => r##"{"group":"#team"}"##,
            "group_members" => r##"{"group":"#team","limit":30}"##,
            "groups" => r#"{"limit":30}"#,
            "group_link" | "group_unlink" => r##"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","group":"#team"}"##,
            "group_join" => r#"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","token":"team.AAAAAAAAAAAAAAAAAAAAAA"}"#,
            "receipts_of" => r##"{"to":"#team","order":17,"limit":30}"##,
            "upload" => concat!(
                r#"{"size":1,"type":"image/png","#,
                r#""sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}"#
            ),
            "upload_done" | "download" => r#"{"media":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#,
            _ => "{}",
        };
        let frame = read(&format!(r#"{{"ask":{{"ref":1,"what":{{"{name}":{fields}}}}}}}"#)).unwrap();
        assert_eq!(POSTCARD.write(&frame)[2], number as u8, "{name}");
    }
    assert!(postcard::from_bytes::<Question>(&[Question::NAMES.len() as u8]).is_err());
    for (number, name) in Answer::NAMES.iter().enumerate() {
        let fields = match *name {
            "devices" => r#"{"items":[]}"#,
            "presence" => r#"{"users":{}}"#,
            "conversations" => r#"{"items":[]}"#,
            "history" => r#"{"entries":[]}"#,
            "blocks" | "without" => r#"{"users":[]}"#,
            "settings" => r#"{"who_may_write":"everybody","who_sees_presence":"nobody"}"#,
            "receipts" => r#"{"stored":17}"#,
            "group" => concat!(
                r##"{"group":"#team","members":1,"role":"owner","##,
                r#""settings":{"who_may_add":"admins","who_may_write":"members","history":false}}"#
            ),
            "members" | "groups" | "receipts_of" => r#"{"items":[]}"#,
            "counts" => r#"{"stored":17,"of":3,"delivered":2,"read":1}"#,
            "link" => r#"{"token":"team.AAAAAAAAAAAAAAAAAAAAAA","expires":17}"#,
            "upload" => r#"{"media":"01ARZ3NDEKTSV4RRFFQ69G5FAV","parts":[],"expires":17}"#,
            "media" => r#"{"media":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#,
            "download" => r#"{"url":"/x","headers":{},"type":"image/png","expires":17}"#,
            _ => "{}",
        };
        let answer: Answer = serde_json::from_str(&format!(r#"{{"{name}":{fields}}}"#)).unwrap();
        assert_eq!(POSTCARD.write(&answer)[0], number as u8, "{name}");
    }
    assert!(postcard::from_bytes::<Answer>(&[Answer::NAMES.len() as u8]).is_err());
}

#[test]
fn devices_of_a_release_that_knows_no_titles_have_none() {
    let named = |title: Option<&str>| {
        let (device, title) = ("tv".parse().unwrap(), title.map(|title| title.parse().unwrap()));
        ServerFrame::Answer(AnswerFrame {
            reference: 1,
            what: Answer::Devices { items: vec![DeviceItem { device, last_seen: None, here: true, title }] }.into(),
        })
    };
    let text = br#"{"answer":{"ref":1,"what":{"devices":{"items":[{"device":"tv","here":true}]}}}}"#;
    assert_eq!(JSON.read_server(text), Ok(named(None)));
    let bytes = [8, 1, 7, 1, 1, 2, b't', b'v', 0, 1];
    assert_eq!(POSTCARD.read_server(&bytes), Ok(named(None)));
    // And one that does is read by them: behind what they know stands what they pass over.
    let written = POSTCARD.write(&named(Some("TV")));
    assert_eq!((&written[..2], &written[3..10]), (&bytes[..2], &bytes[3..10]));
    assert_eq!(POSTCARD.read_server(&written), Ok(named(Some("TV"))));
}
