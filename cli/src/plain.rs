//! Text from others, as it may be written to a terminal: what would command it, or show something else than what is there, is spelled out.

use std::fmt::Write;

/// Whether a terminal obeys a character, or turns the text around it (UAX 9: "Trojan Source", CVE-2021-42574).
fn commands(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text for people. Line breaks stay, a tab is a space.
pub(crate) fn text(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' => plain.push('\n'),
            '\t' => plain.push(' '),
            c if commands(c) => plain.extend(c.escape_unicode()),
            c => plain.push(c),
        }
    }
    plain
}

/// JSON in one line. It stands for the same value: such characters stand in its strings alone, where they may be escaped (RFC 8259).
pub(crate) fn json(value: &serde_json::Value) -> String {
    let mut plain = String::new();
    for c in value.to_string().chars() {
        if commands(c) {
            // Writing to a String does not fail. None of these needs a surrogate pair.
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn no_terminal_obeys_what_others_wrote() {
        for (given, meant) in [
            ("hi 👍🏽 ë", "hi 👍🏽 ë"),
            ("a\r\nb\tc", "a\nb c"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\rb\u{8}\u{7f}", "a\\u{d}b\\u{8}\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(text(given), meant);
            let value = json!({ "text": given });
            let line = super::json(&value);
            assert!(!line.chars().any(commands), "{line:?}");
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        }
    }
}
