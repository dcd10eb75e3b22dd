//! The header `Content-Disposition` (RFC 6266), with a name that a person gave: for any text, a header that says no more than a name.

use std::fmt::Write as _;

/// The longest name that is told, in bytes of UTF-8; the ending of a longer one stays.
const LONGEST: usize = 200;

/// The value of `Content-Disposition` for a file of this name, if it has one: `inline` where a browser may show it, else `attachment`.
///
/// The name comes in two forms: for those who know RFC 8187 as it is, for others with `_` for what is not plain ASCII.
pub fn content_disposition(inline: bool, name: Option<&str>) -> String {
    let mut header = if inline { "inline" } else { "attachment" }.to_owned();
    let Some(name) = name.and_then(clean) else { return header };
    // Neither quotes nor escapes: what is taken apart wrongly by some is not sent.
    let plain = |c: char| if c.is_ascii_graphic() && !"\"\\%".contains(c) || c == ' ' { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    write!(header, "; filename=\"{ascii}\"").expect("a string takes all");
    if ascii != name {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            // What RFC 8187 calls attr-char.
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                header.push(char::from(byte));
            } else {
                write!(header, "%{byte:02X}").expect("a string takes all");
            }
        }
    }
    header
}

/// The name without its path, and without what has no form or turns text around; `None` where nothing is left.
fn clean(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let formless = |c: &char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}')
    };
    let name: String = name.chars().filter(|c| !formless(c)).collect();
    // A leading dot hides a file, a last dot or blank is not kept by Windows.
    let name = name.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    let name = shortened(name);
    (!name.is_empty()).then_some(name)
}

fn shortened(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
    let ending = if ending.len() > 20 { "" } else { ending };
    let mut stem = LONGEST - ending.len();
    while !name.is_char_boundary(stem) {
        stem -= 1;
    }
    format!("{}{ending}", name[..stem].trim_end_matches(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_headers() {
        let cases = [
            ("photo.jpg", "attachment; filename=\"photo.jpg\""),
            (
                "John's \"R\u{e9}sum\u{e9}\" \u{1f929}\r\nX: 1.pdf",
                "attachment; filename=\"John's _R_sum__ _X: 1.pdf\"; \
                 filename*=UTF-8''John%27s%20%22R%C3%A9sum%C3%A9%22%20%F0%9F%A4%A9X%3A%201.pdf",
            ),
            ("../../etc/passwd", "attachment; filename=\"passwd\""),
            ("C:\\Windows\\x.dll", "attachment; filename=\"x.dll\""),
            ("report(1).pdf", "attachment; filename=\"report(1).pdf\""),
            ("100%41.txt", "attachment; filename=\"100_41.txt\"; filename*=UTF-8''100%2541.txt"),
            ("cod\u{202e}gpj.exe", "attachment; filename=\"codgpj.exe\""),
            ("\u{200d}a\u{feff}\u{2066}b\0.txt", "attachment; filename=\"_ab.txt\"; filename*=UTF-8''%E2%80%8Dab.txt"),
            (".htaccess ", "attachment; filename=\"htaccess\""),
            ("", "attachment"),
            ("..", "attachment"),
            ("a/", "attachment"),
            ("\r\n\u{202e}", "attachment"),
        ];
        for (name, header) in cases {
            assert_eq!(content_disposition(false, Some(name)), header, "{name:?}");
        }
        assert_eq!(
            (content_disposition(true, None), content_disposition(false, None)),
            ("inline".into(), "attachment".into())
        );
        let long = content_disposition(false, Some(&format!("{}.jpeg", "\u{e9}".repeat(500))));
        assert!(long.ends_with("%C3%A9.jpeg") && long.len() < 1_000, "{long}");
        assert!(content_disposition(false, Some(&"\u{1f929}".repeat(5_000))).len() < 1_000);
    }

    /// The name that somebody finds who takes the header apart by the grammar of RFC 6266, and fails on what is not of it.
    fn taken_apart(header: &str) -> Option<String> {
        assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{header:?}");
        let Some(rest) = header.strip_prefix("attachment; filename=\"") else {
            assert_eq!(header, "attachment");
            return None;
        };
        let (ascii, rest) = rest.split_once('"').expect("the quote ends");
        assert!(!ascii.contains(['\\', '%', '/']), "{ascii:?}");
        if rest.is_empty() {
            return Some(ascii.to_owned());
        }
        let (mut bytes, mut left) = (Vec::new(), rest.strip_prefix("; filename*=UTF-8''").expect("RFC 8187").bytes());
        while let Some(byte) = left.next() {
            let mut digit = || char::from(left.next().expect("two digits")).to_digit(16).expect("a digit") as u8;
            bytes.push(if byte == b'%' { digit() << 4 | digit() } else { byte });
        }
        Some(String::from_utf8(bytes).expect("UTF-8"))
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_header_that_says_one_name(name in "\\PC*|.*|[a-z./\\\\\"%\r\n\u{202e}\u{e9}]{0,300}") {
            match taken_apart(&content_disposition(false, Some(&name))) {
                None => assert_eq!(clean(&name), None),
                Some(told) => {
                    assert_eq!(Some(&told), clean(&name).as_ref());
                    assert!(told.len() <= LONGEST && !told.contains(['/', '\\', '\u{202e}']) && !told.starts_with('.'));
                    assert_eq!(clean(&told).as_ref(), Some(&told), "cleaned once is clean");
                }
            }
        }
    }
}
