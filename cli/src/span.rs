//! Spans of time as people write them: `90s`, `15m`, `1h`, `30d`.

use std::{str::FromStr, time::Duration};

/// A span of whole seconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A text that is no span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no span of time: write a whole number above 0 and s, m, h or d, as in 90s, 15m, 1h, 30d")]
pub struct SpanError(String);

/// Seconds. Beyond it a span is a slip, and an expiry would not fit.
const CENTURY: u64 = 100 * 366 * 86_400;

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Span, SpanError> {
        let wrong = || SpanError(text.to_owned());
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(wrong()),
        };
        let number = &text[..text.len() - 1];
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: u64 = number.parse().map_err(|_| wrong())?;
        match number.checked_mul(unit) {
            Some(seconds @ 1..=CENTURY) => Ok(Span(Duration::from_secs(seconds))),
            Some(_) | None => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("15m", 900), ("1h", 3_600), ("30d", 2_592_000)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))), "{text}");
        }
        for text in [
            "",
            "s",
            "1",
            "0s",
            "0d",
            "1.5h",
            "-1h",
            "+1h",
            "1 h",
            "1w",
            "1hh",
            "ä",
            "99999999999999999999s",
            "200000d",
        ] {
            assert_eq!(text.parse::<Span>(), Err(SpanError(text.to_owned())));
        }
    }
}
