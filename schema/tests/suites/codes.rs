//! The table of codes, as PROTOCOL.md has it.

use std::collections::HashSet;

use dunlin_schema::{
    Code, Millis, Open, Retry,
    frame::{Encoding, Goodbye, ServerFrame},
};

#[test]
fn close_codes_and_retries_are_those_of_the_protocol() {
    // PROTOCOL.md, "Ending".
    let ending = [
        ("draining", 1012, Retry::Later),
        ("token_expired", 4401, Retry::NewToken),
        ("token_revoked", 4401, Retry::NewToken),
        ("unauthorized", 4401, Retry::Never),
        ("forbidden", 4403, Retry::Never),
        ("hello_timeout", 4400, Retry::Later),
        ("bad_frame", 4400, Retry::Never),
        ("too_large", 1009, Retry::Never),
        ("replaced", 4409, Retry::Never),
        ("too_many_devices", 4429, Retry::Later),
        ("rate_limited", 4429, Retry::Later),
        ("elsewhere", 4421, Retry::Elsewhere),
        ("unavailable", 1013, Retry::Later),
    ];
    let told = |code: &Code| (json_name(*code), code.close(), code.retry());
    let closing: Vec<_> = Code::ALL.iter().filter(|code| code.close().is_some()).map(told).collect();
    let expected: Vec<_> =
        ending.into_iter().map(|(name, close, retry)| (name.to_owned(), Some(close), retry)).collect();
    assert_eq!(closing, expected);

    // What refuses a frame or a send, and ends nothing.
    let refusing = [
        ("unknown_frame", Retry::Never),
        ("unsupported", Retry::Never),
        ("bad_address", Retry::Never),
        ("bad_content", Retry::Never),
        ("too_old", Retry::Never),
        ("from_the_future", Retry::Never),
        ("unknown_outcome", Retry::Later),
        ("region_unreachable", Retry::Later),
        ("unknown_log", Retry::Never),
        ("not_yours", Retry::Never),
        ("not_found", Retry::Never),
        ("bad_cursor", Retry::Never),
        ("bad_id", Retry::Never),
        ("unknown_question", Retry::Never),
        ("bad_question", Retry::Never),
        ("refused", Retry::Never),
        ("not_a_member", Retry::Never),
        ("not_allowed", Retry::Never),
        ("exists", Retry::Never),
        ("too_many", Retry::Never),
        ("not_uploaded", Retry::Never),
        ("media_lost", Retry::Never),
    ];
    let others: Vec<_> = Code::ALL.iter().filter(|code| code.close().is_none()).map(told).collect();
    let expected: Vec<_> = refusing.into_iter().map(|(name, retry)| (name.to_owned(), None, retry)).collect();
    assert_eq!(others, expected);
}

#[test]
fn a_code_has_one_name_in_snake_case() {
    let mut names = HashSet::new();
    for code in Code::ALL {
        let name = json_name(*code);
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert_eq!(serde_json::from_str::<Code>(&format!("\"{name}\"")).unwrap(), *code);
        assert_eq!(code.to_string(), name, "and is shown under it");
        assert!(names.insert(name), "{code:?} has another code's name");
    }
}

#[test]
fn a_close_code_may_be_sent() {
    // RFC 6455, section 7.4: 1005, 1006 and 1015 are never sent; 4000 to 4999 are free.
    for code in Code::ALL {
        assert!(matches!(code.close(), None | Some(1009 | 1012 | 1013 | 4000..=4999)), "{code:?}");
    }
}

#[test]
fn a_code_is_its_name_in_postcard_too() {
    // What other people's clients count on.
    let numbers = "draining token_expired token_revoked unauthorized forbidden hello_timeout bad_frame too_large replaced \
        too_many_devices rate_limited elsewhere unavailable unknown_frame unsupported bad_address bad_content too_old \
        from_the_future unknown_outcome region_unreachable unknown_log not_yours not_found bad_cursor bad_id unknown_question \
        bad_question refused not_a_member not_allowed exists too_many not_uploaded media_lost";
    let names: Vec<_> = Code::ALL.iter().map(|code| json_name(*code)).collect();
    assert_eq!(names.join(" "), numbers);
    for code in Code::ALL {
        let goodbye = ServerFrame::Goodbye(Goodbye { code: (*code).into(), message: String::new(), retry_after: None });
        let name = code.name();
        let bytes = [&[7, name.len() as u8], name.as_bytes(), &[0, 0]].concat();
        assert_eq!(Encoding::Postcard.write(&goodbye), bytes, "{code:?}");
    }
    assert!("draining ".parse::<Code>().is_err() && "Draining".parse::<Code>().is_err());
}

/// An unknown code is waited for where the gateway says how long, and final where it does not.
#[test]
fn what_to_do_about_an_unknown_code_is_told_by_retry_after() {
    let unknown: Open<Code> = Open::Unknown("quota_exceeded".into());
    assert_eq!(unknown.retry(Some(Millis(5))), Retry::Later);
    assert_eq!(unknown.retry(None), Retry::Never);
    assert_eq!(Open::from(Code::Draining).retry(None), Retry::Later);
    assert_eq!(Open::from(Code::TokenExpired).retry(Some(Millis(5))), Retry::NewToken);
    assert_eq!((unknown.to_string(), unknown.known()), ("quota_exceeded".to_owned(), None));
}

fn json_name(code: Code) -> String {
    serde_json::to_value(code).unwrap().as_str().unwrap().to_owned()
}
