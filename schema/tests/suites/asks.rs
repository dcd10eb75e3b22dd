//! Questions that can't be read: what their refusal names.

use dunlin_schema::frame::{Answer, Ask, ClientFrame, Encoding, FrameError, Question, UnreadAsk};

const JSON: Encoding = Encoding::Json;
const POSTCARD: Encoding = Encoding::Postcard;

fn read(text: &str) -> Result<ClientFrame, FrameError> {
    JSON.read_client(text.as_bytes())
}

fn unread(reference: u64, unknown: Option<&str>) -> Option<UnreadAsk> {
    unread_of(Some(reference), unknown)
}

fn unread_of(reference: Option<u64>, unknown: Option<&str>) -> Option<UnreadAsk> {
    Some(UnreadAsk { reference, unknown: unknown.map(str::to_owned) })
}

#[test]
fn questions_and_answers_are_objects_also_without_fields() {
    let ask = |reference, what| ClientFrame::Ask(Ask { reference, what });
    let device = "phone".parse().unwrap();
    for (text, expected) in [
        (r#"{"ask":{"ref":1,"what":{"devices":{}}}}"#, ask(1, Question::Devices {})),
        (r#"{"ask":{"what":{"devices":{"of":"a newer release"}},"ref":0}}"#, ask(0, Question::Devices {})),
        (r#"{"ask":{"ref":2,"what":{"device_remove":{"device":"phone"}}}}"#, ask(2, Question::DeviceRemove { device })),
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
        (r#"{"ask":{"ref":7,"what":{"presence":{"users":["bob"]}}}}"#, unread(7, Some("presence"))),
        (r#"{"ask":{"what":{"blocks":{}},"ref":9007199254740991}}"#, unread((1 << 53) - 1, Some("blocks"))),
        (r#"{"ask":{"what":{"blocks":{}}}}"#, unread_of(None, Some("blocks"))),
        (r#"{"ask":{"ref":null,"what":{"blocks":{}}}}"#, unread_of(None, Some("blocks"))),
        (r#"{"ask":{"ref":-1,"what":{"blocks":{}}}}"#, unread_of(None, Some("blocks"))),
        (r#"{"ask":{"ref":1.5,"what":{"blocks":{}}}}"#, unread_of(None, Some("blocks"))),
        (r#"{"ask":{"what":{"devices":{}}}}"#, unread_of(None, None)),
        (r#"{"ask":{"ref":"7","what":{"devices":{}}}}"#, unread_of(None, None)),
        (r#"{"ask":7}"#, unread_of(None, None)),
        (r#"{"ack":7}"#, None),
        (&format!(r#"{{"ask":{{"ref":7,"what":{{"{long}":{{}}}}}}}}"#), unread(7, Some(&format!("{}…", &long[..64])))),
    ] {
        assert!(matches!(read(text), Err(FrameError::Malformed(_))), "{text}");
        assert_eq!(JSON.unread_ask(text.as_bytes()), expected, "{text}");
    }
    for (bytes, expected) in [
        (&[3, 7, 9][..], unread(7, Some("9"))),
        (&[3, 0xac, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2], unread(300, Some("4294967295"))),
        (&[2, 7, 9], None),
        (&[3], unread_of(None, None)),
        (&[], None),
    ] {
        assert!(POSTCARD.read_client(bytes).is_err(), "{bytes:?}");
        assert_eq!(POSTCARD.unread_ask(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn what_is_wrong_with_a_question_is_told_with_the_fields_name() {
    for (what, words) in [
        (r#"{"device_remove":{}}"#, "missing field `device`"),
        (r#"{"device_remove":{"device":"my phone"}}"#, "`device`: a name is made of A-Z a-z 0-9 _ and -, not of ' '"),
        (r#"{"device_remove":{"device":""}}"#, "`device`: a name needs at least one character"),
        (r#"{"device_remove":{"device":7}}"#, "expected a string for `device`"),
        (r#"{"device_remove":{"device":null}}"#, "expected a string for `device`"),
        (r#"{"devices":null}"#, "null"),
        (r#""devices""#, "expected struct variant"),
        (r#"{"devices":{},"blocks":{}}"#, "line 1"),
        ("{}", "line 1"),
        ("7", "expected value"),
    ] {
        let text = format!(r#"{{"ask":{{"ref":7,"what":{what}}}}}"#);
        let Err(FrameError::Malformed(told)) = read(&text) else { panic!("{text} is read") };
        assert!(told.contains(words), "{text}: {told}");
        assert_eq!(JSON.unread_ask(text.as_bytes()), unread(7, None), "{text}");
    }
    let Err(FrameError::Malformed(told)) = read(r#"{"ask":{"ref":7}}"#) else { panic!("it is read") };
    assert!(told.contains("missing field `what`"), "{told}");
    for bytes in [&[3, 7, 1][..], &[3, 7, 1, 1, b' '], &[3, 7]] {
        assert!(POSTCARD.read_client(bytes).is_err(), "{bytes:?}");
        assert_eq!(POSTCARD.unread_ask(bytes), unread(7, None), "{bytes:?}");
    }
}

#[test]
fn the_lists_of_names_are_as_long_as_the_enums() {
    for (number, name) in Question::NAMES.iter().enumerate() {
        let fields = if *name == "device_remove" { r#"{"device":"phone"}"# } else { "{}" };
        let frame = read(&format!(r#"{{"ask":{{"ref":1,"what":{{"{name}":{fields}}}}}}}"#)).unwrap();
        assert_eq!(POSTCARD.write(&frame)[2], number as u8, "{name}");
    }
    assert!(postcard::from_bytes::<Question>(&[Question::NAMES.len() as u8]).is_err());
    for (number, name) in Answer::NAMES.iter().enumerate() {
        let fields = if *name == "devices" { r#"{"items":[]}"# } else { "{}" };
        let answer: Answer = serde_json::from_str(&format!(r#"{{"{name}":{fields}}}"#)).unwrap();
        assert_eq!(POSTCARD.write(&answer)[0], number as u8, "{name}");
    }
    assert!(postcard::from_bytes::<Answer>(&[Answer::NAMES.len() as u8]).is_err());
}
