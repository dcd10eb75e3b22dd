//! What a file is, by its bytes. What its sender calls it is believed only where bytes can't tell.
//!
//! A file may be valid as several things at once. It is what its first bytes say, and is never given out as anything else: who gives it
//! out says `nosniff` with it.

use std::borrow::Cow;

/// How much of a file's beginning tells what it is, in bytes.
pub const HEAD: usize = 8 << 10;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its media type, in small letters, without parameters.
    pub mime: Cow<'static, str>,
    /// Whether a browser may show it where it is. Everything else is an attachment: a browser could run it (HTML, SVG, XML, PDF), or does
    /// not know it.
    pub inline: bool,
}

/// A file that is not what its sender calls it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is called {claimed}, and its bytes are {found}")]
pub struct NotAsClaimed {
    /// The media type that its sender gave.
    pub claimed: String,
    /// What its bytes say.
    pub found: Cow<'static, str>,
}

/// Pictures, sound and films that browsers show and that hold no program.
const SHOWN: [&str; 17] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/bmp",
    "audio/mpeg",
    "audio/ogg",
    "audio/opus",
    "audio/x-wav",
    "audio/wav",
    "audio/x-flac",
    "audio/m4a",
    "audio/aac",
    "video/mp4",
    "video/webm",
    "video/quicktime",
];

/// Text that a sender may name more closely: nothing of it runs.
const TEXTS: [&str; 6] =
    ["text/csv", "text/markdown", "text/calendar", "text/vcard", "text/tab-separated-values", "application/json"];

/// What makes text a document that runs, where it stands in its beginning. Browsers look for the like
/// (<https://mimesniff.spec.whatwg.org>).
const MARKUP: [(&str, &str); 11] = [
    ("<svg", "image/svg+xml"),
    ("<html", "text/html"),
    ("<!doctype", "text/html"),
    ("<script", "text/html"),
    ("<body", "text/html"),
    ("<head", "text/html"),
    ("<iframe", "text/html"),
    ("<img", "text/html"),
    ("<a href", "text/html"),
    ("<!--", "text/html"),
    ("<?xml", "text/xml"),
];

/// What a file is that its sender calls `claimed`, by the first [`HEAD`] bytes of it, or all where it is shorter.
///
/// # Errors
///
/// Where it is called a picture, sound or film, and is nothing of that kind. Which kind of picture it is called does not matter.
pub fn kind(claimed: &str, head: &[u8]) -> Result<Kind, NotAsClaimed> {
    let head = &head[..head.len().min(HEAD)];
    let claimed = claimed.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let found = found(&claimed, head);
    if !agrees(&claimed, &found) {
        return Err(NotAsClaimed { claimed, found });
    }
    Ok(Kind { inline: is_shown(&found), mime: found })
}

/// Whether a browser may show a file of this media type where it is: see [`Kind::inline`]. The type is one that bytes have told.
pub fn is_shown(mime: &str) -> bool {
    SHOWN.contains(&mime)
}

#[test]
fn what_is_shown_is_told_by_the_type_alone_once_bytes_have_told_it() {
    assert!(is_shown("image/png") && is_shown("video/mp4"));
    assert!(!is_shown("image/svg+xml") && !is_shown("text/html") && !is_shown("application/pdf") && !is_shown(""));
}

fn found(claimed: &str, head: &[u8]) -> Cow<'static, str> {
    let told = infer::get(head).map(|found| found.mime_type());
    if let Some(text) = text(head) {
        let text = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
        if let Some((_, mime)) = MARKUP.iter().find(|(mark, _)| text.contains(mark)) {
            return Cow::Borrowed(mime);
        }
        // A signature that is made of letters, such as the one of PDF; but `BM` alone makes no picture of a text.
        if let Some(told) = told.filter(|told| told.starts_with("application/") || told.starts_with("text/")) {
            return Cow::Borrowed(told);
        }
        return TEXTS
            .iter()
            .find(|text| **text == claimed)
            .map_or(Cow::Borrowed("text/plain"), |text| Cow::Borrowed(text));
    }
    Cow::Borrowed(told.unwrap_or("application/octet-stream"))
}

/// Containers that hold sound as well as films are told by their outside alone.
fn agrees(claimed: &str, found: &str) -> bool {
    let family = |mime: &str| mime.split('/').next().unwrap_or_default().to_owned();
    match family(claimed).as_str() {
        "image" => family(found) == "image",
        "audio" | "video" => matches!(family(found).as_str(), "audio" | "video"),
        _ => true,
    }
}

/// The beginning as text, where it is: UTF-8, or what a byte order mark calls UTF-16, without the controls that text does not have.
fn text(head: &[u8]) -> Option<Cow<'_, str>> {
    let wide = |order: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = head[2..].chunks_exact(2).map(|pair| order([pair[0], pair[1]])).collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    };
    let text = match head {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        // The head may end within a character.
        _ => match str::from_utf8(head) {
            Ok(text) => Cow::Borrowed(text),
            Err(cut) if cut.error_len().is_none() => Cow::Borrowed(str::from_utf8(&head[..cut.valid_up_to()]).ok()?),
            Err(_) => return None,
        },
    };
    let other = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}');
    (!text.contains(other)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
    const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";

    #[test]
    fn bytes_say_what_a_file_is() {
        let cases: [(&str, &[u8], &str, bool); 22] = [
            ("image/png", PNG, "image/png", true),
            ("image/png", JPEG, "image/jpeg", true),
            ("IMAGE/PNG; x=y", PNG, "image/png", true),
            ("text/html", PNG, "image/png", true),
            ("", PNG, "image/png", true),
            ("audio/mp4", MP4, "video/mp4", true),
            ("application/pdf", b"%PDF-1.7\n%", "application/pdf", false),
            ("text/plain", b"%PDF-1.7\n%\xe2\xe3", "application/pdf", false),
            ("application/zip", b"PK\x03\x04\x14\0\0\0", "application/zip", false),
            ("text/plain", b"hello", "text/plain", false),
            ("text/plain", "r\u{e9}sum\u{e9} \u{1f929}".as_bytes(), "text/plain", false),
            ("text/csv", b"a,b\n1,2\n", "text/csv", false),
            ("application/javascript", b"alert(1)", "text/plain", false),
            ("text/plain", b"  <ScRiPt>alert(1)</script>", "text/html", false),
            ("text/csv", b"a,b\n<!DOCTYPE html>", "text/html", false),
            ("text/plain", b"\xef\xbb\xbf<?xml version=\"1.0\"?><a/>", "text/xml", false),
            ("text/plain", b"\xff\xfe<\0s\0c\0r\0i\0p\0t\0>\0", "text/html", false),
            ("image/svg+xml", b"<?xml version=\"1.0\"?>\n<svg xmlns=\"\">", "image/svg+xml", false),
            ("application/x-unknown", b"\0\x01\x02\x03", "application/octet-stream", false),
            ("text/plain", b"a\0b", "application/octet-stream", false),
            ("text/plain", b"", "text/plain", false),
            ("text/plain", b"BM is how it begins", "text/plain", false),
        ];
        for (claimed, bytes, mime, inline) in cases {
            let told = kind(claimed, bytes).expect("it is not lied about");
            assert_eq!((&*told.mime, told.inline), (mime, inline), "{claimed} {:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(
            kind("text/plain", &[b"\xf0".to_vec(), vec![b'a'; HEAD]].concat()).map(|told| told.inline),
            Ok(false)
        );
        let cut = ["a".repeat(HEAD - 1).as_bytes(), "\u{1f929}".as_bytes()].concat();
        assert_eq!(&*kind("", &cut).expect("no lie").mime, "text/plain", "a character that the head cuts");
    }

    #[test]
    fn lies_are_told() {
        let cases: [(&str, &[u8]); 9] = [
            ("image/png", b"<html><script>"),
            ("image/jpeg", b"#!/bin/sh\n"),
            ("image/png", MP4),
            ("image/gif", b"GIF"),
            ("image/png", b""),
            ("audio/mpeg", PNG),
            ("video/mp4", b"MZ\x90\0"),
            ("image/svg+xml", b"hello"),
            ("image/jpeg", b"\xff\xd8"),
        ];
        for (claimed, bytes) in cases {
            assert!(kind(claimed, bytes).is_err(), "{claimed} {:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_is_two_things_is_given_out_as_its_beginning() {
        for (more, mime) in [(&b"<script>alert(1)</script>"[..], "image/gif"), (b"%PDF-1.7", "image/gif")] {
            let both = [b"GIF89a/*\x01\x00*/=1;", more].concat();
            assert_eq!(&*kind("image/gif", &both).expect("a GIF").mime, mime);
        }
        // Of letters alone it is a page, not a picture.
        assert!(kind("image/gif", b"GIF89a <script>alert(1)</script>").is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_runs_is_shown(claimed in ".{0,40}", bytes in proptest::collection::vec(0_u8.., 0..300)) {
            if let Ok(told) = kind(&claimed, &bytes) {
                let runs = ["html", "xml", "script", "pdf", "text", "application"];
                assert!(!told.inline || !runs.iter().any(|word| told.mime.contains(word)), "{told:?}");
                assert!(told.mime.is_ascii() && !told.mime.contains(char::is_whitespace));
            }
        }

        #[test]
        fn markup_is_never_plain(before in "[a-z \n]{0,200}", mark in 0..MARKUP.len(), after in ".{0,50}") {
            let told = kind("text/plain", format!("{before}{}{after}", MARKUP[mark].0).as_bytes());
            let mime = told.expect("no lie").mime;
            assert!(!matches!(&*mime, "text/plain" | "text/csv"), "{mime}");
        }
    }
}
