//! Who may ask the console for what, decided by `Host` and `Origin`.
//!
//! A browser on this machine runs pages of others. One of them could give its own name the address of this machine (DNS rebinding), and
//! then says that name in `Host`; or it asks across origins, and then says its own in `Origin`, or comes as a form or a frame without one.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header, uri::Authority};
use reqwest::Url;

/// What a request without an `Origin` says that changes something: no form can, and a page of others is not let to.
pub(super) const NOT_A_FORM: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether a request is to the console at `port`, by a name that only this machine answers to.
pub(super) fn is_to_console(headers: &HeaderMap, port: u16) -> bool {
    let host = text(headers, header::HOST).filter(|host| !host.contains('@'));
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| is_loopback(host.host()) && host.port_u16().unwrap_or(80) == port)
}

/// Whether a request comes from no page, or from one of this machine. Its origin is then to be told that it may read the answer.
pub(super) fn is_of_this_machine(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    let Some(origin) = text(headers, header::ORIGIN) else { return false };
    Url::parse(origin).is_ok_and(|url| {
        let of_the_web = ["http", "https"].contains(&url.scheme()) && url.origin().ascii_serialization() == origin;
        of_the_web && url.host_str().is_some_and(is_loopback)
    })
}

/// Whether a request that changes something comes from the console's own page, or from a program that means it. `Host` was looked at.
pub(super) fn may_change(headers: &HeaderMap) -> bool {
    match headers.contains_key(header::ORIGIN) {
        true => match (text(headers, header::ORIGIN), text(headers, header::HOST)) {
            (Some(origin), Some(host)) => origin.strip_prefix("http://") == Some(host),
            (None, _) | (_, None) => false,
        },
        false => headers.contains_key(NOT_A_FORM),
    }
}

/// The one value of a header.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

fn is_loopback(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_a_name_of_this_machine_is_the_consoles() {
        for (host, is) in [
            ("127.0.0.1:8090", true),
            ("localhost:8090", true),
            ("LocalHost:8090", true),
            ("[::1]:8090", true),
            ("127.8.9.10:8090", true),
            ("127.0.0.1:8080", false),
            ("127.0.0.1", false),
            ("localhost", false),
            ("attacker.example:8090", false),
            ("localhost.attacker.example:8090", false),
            ("127.0.0.1.attacker.example:8090", false),
            ("attacker.example@localhost:8090", false),
            ("0.0.0.0:8090", false),
            ("192.168.0.7:8090", false),
            ("[::ffff:127.0.0.1]:8090", false),
            ("", false),
        ] {
            assert_eq!(is_to_console(&headers(&[(header::HOST, host)]), 8_090), is, "{host}");
        }
        assert!(is_to_console(&headers(&[(header::HOST, "localhost")]), 80));
        assert!(!is_to_console(&headers(&[]), 8_090));
        let two = [(header::HOST, "localhost:8090"), (header::HOST, "attacker.example:8090")];
        assert!(!is_to_console(&headers(&two), 8_090));
    }

    #[test]
    fn only_a_page_of_this_machine_may_have_a_token() {
        for (origin, may) in [
            ("http://127.0.0.1:8090", true),
            ("http://localhost:3000", true),
            ("https://localhost", true),
            ("http://[::1]:5173", true),
            ("null", false),
            ("", false),
            ("file://", false),
            ("https://attacker.example", false),
            ("http://localhost.attacker.example", false),
            ("http://localhost:3000/", false),
            ("http://localhost@attacker.example", false),
            ("capacitor://localhost", false),
        ] {
            assert_eq!(is_of_this_machine(&headers(&[(header::ORIGIN, origin)])), may, "{origin}");
        }
        assert!(is_of_this_machine(&headers(&[])));
    }

    #[test]
    fn only_the_page_itself_or_who_is_no_page_changes_something() {
        let (host, form) = ((header::HOST, "127.0.0.1:8090"), (NOT_A_FORM, "curl"));
        for (origin, not_a_form, may) in [
            (Some("http://127.0.0.1:8090"), false, true),
            (Some("http://127.0.0.1:8090"), true, true),
            (None, true, true),
            (None, false, false),
            (Some("http://localhost:8090"), true, false),
            (Some("http://127.0.0.1:8080"), true, false),
            (Some("https://127.0.0.1:8090"), true, false),
            (Some("https://attacker.example"), true, false),
            (Some("null"), true, false),
        ] {
            let mut given = vec![host.clone()];
            given.extend(origin.map(|origin| (header::ORIGIN, origin)));
            given.extend(not_a_form.then(|| form.clone()));
            assert_eq!(may_change(&headers(&given)), may, "{origin:?}, {not_a_form}");
        }
    }
}
