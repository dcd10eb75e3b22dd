//! From a claim to a user's name.
//!
//! `exact` takes the claim as it is. `escape` gives every claim a name of its own. Letters, digits and `-` stand for themselves; every
//! other byte of the UTF-8 text, `_` among them, becomes `_` and two digits (hexadecimal, lower case): `auth0|5f` is `auth0_7c5f`. A name
//! that would be too long is `_h` and the SHA-256 of the claim in base64url: `h` is no hexadecimal digit, so no escaped claim begins like
//! that.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_schema::{NameError, UserName, limits};

use crate::config::UserMap;

/// The name of the user that a claim tells, with what the issuer's names begin with. Errors: why it is none.
pub(super) fn name(claim: &str, map: UserMap, prefix: &str) -> Result<UserName, NameError> {
    if claim.is_empty() {
        return Err(NameError::Empty);
    }
    match map {
        UserMap::Exact => UserName::new(&format!("{prefix}{claim}")),
        UserMap::Escape => UserName::new(&format!("{prefix}{}", escaped(claim, limits::NAME_BYTES - prefix.len()))),
    }
}

fn escaped(claim: &str, most: usize) -> String {
    let mut escaped = String::with_capacity(claim.len());
    for byte in claim.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' => escaped.push(byte.into()),
            _ => write!(escaped, "_{byte:02x}").expect("a text takes what is written"),
        }
    }
    if escaped.len() <= most {
        return escaped;
    }
    let hash = digest::digest(&digest::SHA256, claim.as_bytes());
    format!("_h{}", URL_SAFE_NO_PAD.encode(hash.as_ref()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escape(claim: &str) -> String {
        name(claim, UserMap::Escape, "").unwrap().as_str().to_owned()
    }

    /// What the escaped form was made of.
    fn unescaped(name: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let mut rest = name.as_bytes();
        while let Some((first, others)) = rest.split_first() {
            let (byte, others) = match (first, others) {
                (b'_', [high, low, others @ ..]) => {
                    let hex = std::str::from_utf8(&[*high, *low]).ok()?.to_owned();
                    (u8::from_str_radix(&hex, 16).ok()?, others)
                }
                (byte, others) => (*byte, others),
            };
            bytes.push(byte);
            rest = others;
        }
        String::from_utf8(bytes).ok()
    }

    #[test]
    fn claims_as_issuers_have_them_become_names() {
        let long = "a".repeat(65);
        for (claim, name) in [
            ("bob", "bob"),
            ("auth0|507f1f77", "auth0_7c507f1f77"),
            ("alice@chat.example", "alice_40chat_2eexample"),
            ("a_7cb", "a_5f7cb"),
            ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
            ("Zoë", "Zo_c3_ab"),
            (" ", "_20"),
            ("\0", "_00"),
            (&long[1..], &long[1..]),
            // printf aaa… | openssl dgst -sha256 -binary | basenc --base64url
            (&long, "_hY1NhxIu56rFBmOduqKt_GkFoXWrWKqkUbTAdTxfrCuA"),
        ] {
            assert_eq!(escape(claim), name);
        }
        assert_eq!(name("", UserMap::Escape, "a-"), Err(NameError::Empty));
        assert_eq!(name("5f", UserMap::Escape, "a-").unwrap().as_str(), "a-5f");
        assert_eq!(name("|", UserMap::Exact, "a-"), Err(NameError::Character('|')));
        assert_eq!(name(&long[2..], UserMap::Exact, "a-"), Err(NameError::TooLong(65)));
        let with_prefix = name(&"|".repeat(40), UserMap::Escape, "sixteen-letters-").unwrap();
        assert!(with_prefix.as_str().starts_with("sixteen-letters-_h"), "{with_prefix}");
    }

    fn claim() -> impl Strategy<Value = String> {
        prop_oneof![".{1,12}", "[a_|7ch]{1,6}", "[a-zA-Z0-9_|-]{50,80}", "_h[A-Za-z0-9_-]{43}"]
    }

    proptest! {
        #[test]
        fn what_is_escaped_can_be_read_back_or_is_a_hash(claim in claim()) {
            let name = escape(&claim);
            match name.strip_prefix("_h") {
                Some(_) => prop_assert!(claim.len() > 21, "{claim:?} is short enough to be escaped"),
                None => prop_assert_eq!(unescaped(&name), Some(claim)),
            }
        }

        #[test]
        fn no_two_claims_meet_in_one_name(one in claim(), other in claim(), prefixes in prop_oneof![Just(("", "")), Just(("a-", "b-"))]) {
            let name_of = |claim: &str, prefix| name(claim, UserMap::Escape, prefix).unwrap();
            let same = one == other && prefixes.0 == prefixes.1;
            prop_assert_eq!(name_of(&one, prefixes.0) == name_of(&other, prefixes.1), same);
        }
    }
}
