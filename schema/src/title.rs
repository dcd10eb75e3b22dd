//! What people call something that has a name of its own.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::limits;

/// What people call a device or a group: 1 to [`limits::TITLE_CHARS`] characters of text, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Title(SmolStr);

/// Why a text is no title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TitleError {
    /// The text has no characters.
    #[error("a title needs at least one character")]
    Empty,
    /// The text is longer than [`limits::TITLE_CHARS`].
    #[error("a title has at most {max} characters, this one has {0}", max = limits::TITLE_CHARS)]
    TooLong(usize),
    /// The text holds a control character, such as a line break.
    #[error("a title has no control characters such as {0:?}")]
    Control(char),
}

impl Title {
    /// The title as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether people can see something of it: a character that is no white space and none that is shown as nothing (`White_Space` and
    /// `Default_Ignorable_Code_Point` of UAX 44, and the blank of Braille).
    pub fn is_seen(&self) -> bool {
        self.0.chars().any(|c| !c.is_whitespace() && !shown_as_nothing(c))
    }
}

fn shown_as_nothing(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

impl FromStr for Title {
    type Err = TitleError;
    fn from_str(text: &str) -> Result<Title, TitleError> {
        match text.chars().count() {
            0 => return Err(TitleError::Empty),
            long if long > limits::TITLE_CHARS => return Err(TitleError::TooLong(long)),
            _ => {}
        }
        match text.chars().find(|c| c.is_control()) {
            Some(c) => Err(TitleError::Control(c)),
            None => Ok(Title(SmolStr::new(text))),
        }
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Title {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Title {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed_field(deserializer, "title")
    }
}

impl schemars::JsonSchema for Title {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Title".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
            "minLength": 1,
            "maxLength": limits::TITLE_CHARS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_one_to_sixty_four_characters_and_none_that_controls() {
        let longest = "ë".repeat(64);
        for (text, expected) in [
            ("Bob's \"phone\" 📱", Ok(())),
            (&longest, Ok(())),
            ("", Err(TitleError::Empty)),
            (&format!("{longest}x"), Err(TitleError::TooLong(65))),
            ("a\nb", Err(TitleError::Control('\n'))),
            ("\u{1b}[2J", Err(TitleError::Control('\u{1b}'))),
            ("\u{9b}31m", Err(TitleError::Control('\u{9b}'))),
        ] {
            assert_eq!(text.parse::<Title>().map(|title| assert_eq!(title.as_str(), text)), expected, "{text:?}");
        }
    }
}
