//! The headers of a message, as far as anybody here asks: the status that a server gives in place of an answer, and what it says with it.

/// What headers begin with.
const VERSION: &[u8] = b"NATS/1.0";

/// The status of a message with these headers: 503 is what a request is told that nobody listens to.
pub(crate) fn status(headers: &[u8]) -> Option<u16> {
    let line = headers.strip_prefix(VERSION)?;
    let line = line.split(|byte| *byte == b'\r').next()?;
    let word = line.split(|byte| *byte == b' ').find(|word| !word.is_empty())?;
    let digits =
        std::str::from_utf8(word).ok().filter(|word| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit()));
    digits?.parse().ok()
}

/// The first value of this name in a message's headers.
pub(crate) fn header<'a>(headers: &'a [u8], name: &str) -> Option<&'a str> {
    let mut lines = headers.split(|byte| *byte == b'\n').skip(1);
    let value = lines.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"))?;
    std::str::from_utf8(value).ok().map(str::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_the_first_of_its_name() {
        let headers = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\nNats-Last: 8\r\nNats-Last:9\r\n\r\n";
        assert_eq!(header(headers, "Nats-Last-Consumer"), Some("7"));
        assert_eq!(header(headers, "Nats-Last"), Some("8"));
        for absent in ["Nats-Last-Stream", "NATS/1.0 100 Idle Heartbeat", "Last"] {
            assert_eq!(header(headers, absent), None, "{absent}");
        }
    }

    #[test]
    fn a_status_is_what_the_first_line_says() {
        for (headers, expected) in [
            (&b"NATS/1.0 503\r\n\r\n"[..], Some(503)),
            (b"NATS/1.0 503 No Responders\r\n\r\n", Some(503)),
            (b"NATS/1.0  100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\n\r\n", Some(100)),
            (b"NATS/1.0\r\nStatus: 503\r\n\r\n", None),
            (b"NATS/1.0 5030\r\n\r\n", None),
            (b"NATS/1.0 +50\r\n\r\n", None),
            (b"NATS/2.0 503\r\n\r\n", None),
            (b"", None),
        ] {
            assert_eq!(status(headers), expected, "{:?}", headers.escape_ascii().to_string());
        }
    }
}
