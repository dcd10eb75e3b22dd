//! The name of an upload or an object in a store: a ULID. There is no other way to name one, so no name leads out of its folder.

use std::{fmt, str::FromStr};

/// A ULID in capitals: 26 characters of Crockford's alphabet, the first at most `7` (<https://github.com/ulid/spec>).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; Key::LENGTH]);

/// Text that is no [`Key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is a ULID: 26 characters of 0-9 and A-Z without I, L, O and U, the first at most 7")]
pub struct NotAKey;

impl Key {
    /// The length of each key, in characters and in bytes.
    pub const LENGTH: usize = 26;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("a key is ASCII")
    }
}

impl FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Key, NotAKey> {
        let bytes: [u8; Key::LENGTH] = text.as_bytes().try_into().map_err(|_| NotAKey)?;
        let known = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z') && !b"ILOU".contains(byte);
        if bytes[0] > b'7' || !bytes.iter().all(known) {
            return Err(NotAKey);
        }
        Ok(Key(bytes))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[test]
fn only_ulids_are_keys() {
    let key = "01KBA3W2Z8Q4N6V5M7X9Y0T1RS";
    assert_eq!(key.parse::<Key>().expect("a ULID").to_string(), key);
    let wrong = [
        "",
        "../../../../../../etc/shadow",
        "01KBA3W2Z8Q4N6V5M7X9Y0T1R",
        "01KBA3W2Z8Q4N6V5M7X9Y0T1RSS",
        "01kba3w2z8q4n6v5m7x9y0t1rs",
        "81KBA3W2Z8Q4N6V5M7X9Y0T1RS",
        "01KBA3W2Z8Q4N6V5M7X9Y0T1RU",
        "01KBA3W2Z8Q4N6V5M7X9Y0T/..",
        "01KBA3W2Z8Q4N6V5M7X9Y0T1\0S",
        "01KBA3W2Z8Q4N6V5M7X9Y0T1é",
    ];
    for text in wrong {
        assert_eq!(text.parse::<Key>(), Err(NotAKey), "{text:?}");
    }
}
