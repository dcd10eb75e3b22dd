//! Which bytes of a file a request asks for (RFC 9110, section 14), and whether it has them already (section 13).

use axum::http::{
    HeaderMap,
    header::{IF_NONE_MATCH, IF_RANGE, RANGE},
};

/// What is to be given of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// The bytes from the first up to, and without, the second.
    Part(u64, u64),
    /// Bytes that it does not have.
    Nothing,
    /// Nothing: it is as it was.
    Known,
}

/// What is asked for of a file of this size that is tagged so. More than one range is answered with the whole, as is what can't be read.
pub(super) fn wanted(headers: &HeaderMap, size: u64, tag: &str) -> Wanted {
    if headers.get_all(IF_NONE_MATCH).iter().filter_map(|known| known.to_str().ok()).any(|known| names(known, tag)) {
        return Wanted::Known;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A date tells nothing of a file that has none.
    if headers.contains_key(IF_RANGE) && text(&IF_RANGE).map(str::trim) != Some(tag) {
        return Wanted::Whole;
    }
    match text(&RANGE) {
        Some(range) if headers.get_all(RANGE).iter().count() == 1 => part(range, size).unwrap_or(Wanted::Whole),
        Some(_) | None => Wanted::Whole,
    }
}

/// Whether a list of tags names this one, strong or weak.
fn names(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// One range of bytes; `None` where the text is none.
fn part(text: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (from, until) = match (first, last) {
        ("", last) => {
            let count = number(last)?;
            (size.saturating_sub(count), if count == 0 { 0 } else { size })
        }
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(if from < until { Wanted::Part(from, until) } else { Wanted::Nothing })
}

/// A number without sign; one that is too large is larger than any file.
fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "\"7\"";

    fn asked(headers: &[(axum::http::HeaderName, &str)], size: u64) -> Wanted {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse::<HeaderValue>().unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| _ = map.append(name, value));
        wanted(&map, size, TAG)
    }

    #[test]
    fn one_range_is_given_and_more_are_not() {
        use Wanted::*;
        for (range, given) in [
            ("bytes=0-1", Part(0, 2)),
            ("bytes=0-0", Part(0, 1)),
            ("bytes=-1", Part(9, 10)),
            ("bytes=-99", Part(0, 10)),
            ("bytes=9-", Part(9, 10)),
            ("Bytes = 3-99", Part(3, 10)),
            ("bytes=0-99999999999999999999999", Part(0, 10)),
            ("bytes=10-", Nothing),
            ("bytes=10-11", Nothing),
            ("bytes=99999999999999999999999-", Nothing),
            ("bytes=-0", Nothing),
            ("bytes=5-4", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=-", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1--2", Whole),
            ("bytes=", Whole),
            ("lines=0-1", Whole),
            ("0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(asked(&[(RANGE, range)], 10), given, "{range}");
        }
        assert_eq!(asked(&[(RANGE, "bytes=0-1"), (RANGE, "bytes=3-4")], 10), Whole);
        for (range, given) in [("bytes=0-", Nothing), ("bytes=-1", Nothing), ("bytes=-0", Nothing)] {
            assert_eq!(asked(&[(RANGE, range)], 0), given, "of nothing: {range}");
        }
    }

    #[test]
    fn what_is_known_is_not_given_again_and_what_has_changed_is_given_whole() {
        for (known, given) in [
            (TAG, Wanted::Known),
            ("W/\"7\"", Wanted::Known),
            ("\"6\", \"7\"", Wanted::Known),
            ("*", Wanted::Known),
            ("\"6\"", Wanted::Part(0, 1)),
            ("7", Wanted::Part(0, 1)),
        ] {
            assert_eq!(asked(&[(IF_NONE_MATCH, known), (RANGE, "bytes=0-0")], 10), given, "{known}");
        }
        for (known, given) in [
            (TAG, Wanted::Part(0, 1)),
            ("W/\"7\"", Wanted::Whole),
            ("\"6\"", Wanted::Whole),
            ("Tue, 01 Dec 2026 00:00:00 GMT", Wanted::Whole),
        ] {
            assert_eq!(asked(&[(IF_RANGE, known), (RANGE, "bytes=0-0")], 10), given, "{known}");
        }
    }

    proptest! {
        /// RFC 9110, section 14.1.2, byte by byte.
        #[test]
        fn a_range_is_the_bytes_that_it_names(
            first in prop::option::of(0..60_u64), last in prop::option::of(0..60_u64), size in 1..50_u64, zeros in 0..3_usize,
        ) {
            let digits = |number: Option<u64>| number.map_or_else(String::new, |number| format!("{}{number}", "0".repeat(zeros)));
            let named = |position: u64| match (first, last) {
                (Some(first), Some(last)) => (first..=last).contains(&position),
                (Some(first), None) => first <= position,
                (None, Some(count)) => size - position <= count,
                (None, None) => true,
            };
            let named: Vec<u64> = (0..size).filter(|position| named(*position)).collect();
            let is_none = first.is_none() && last.is_none() || first.is_some_and(|first| last.is_some_and(|last| last < first));
            let expected = match (is_none, &named[..]) {
                (true, _) => Wanted::Whole,
                (false, []) => Wanted::Nothing,
                (false, [from, .., until]) => Wanted::Part(*from, until + 1),
                (false, [one]) => Wanted::Part(*one, one + 1),
            };
            let range = format!("bytes={}-{}", digits(first), digits(last));
            prop_assert_eq!(asked(&[(RANGE, &range)], size), expected, "{}", range);
        }

        #[test]
        fn no_text_asks_for_what_is_not_there(range in "(bytes=)?[0-9,\\- =]{0,30}|bytes=[0-9]{0,3}-[0-9]{0,3}|.*", size in 0..100_u64) {
            let mut headers = HeaderMap::new();
            let Ok(range) = range.parse::<HeaderValue>() else { return Ok(()) };
            headers.insert(RANGE, range);
            if let Wanted::Part(from, until) = wanted(&headers, size, TAG) {
                prop_assert!(from < until && until <= size);
            }
        }
    }
}
