//! A file as the rules look at it: its text, and of Rust files the code, the comments and the literals apart.

use std::ops::Range;

/// A file of the repository.
pub(super) struct Source {
    /// Its path from the repository's root.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
    /// Its code: as long as the text, with blanks for comments and for what stands in literals. Empty where it is no Rust file.
    pub(super) code: String,
    /// The same without what stands under `#[cfg(test)]`.
    pub(super) shipped: String,
    /// What stands under `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
    /// Its comments.
    comments: Vec<Range<usize>>,
    /// Its string literals: where each begins, and what it says.
    pub(super) literals: Vec<(usize, String)>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Source {
        let Apart { code, comments, literals } = if path.ends_with(".rs") { Apart::of(text) } else { Apart::default() };
        let tests = tests(&code);
        let mut shipped = code.clone();
        for range in &tests {
            shipped.replace_range(range.clone(), &blanks(&code[range.clone()]));
        }
        Source { path: path.to_owned(), text: text.to_owned(), code, shipped, tests, comments, literals }
    }

    /// Whether a place stands under `#[cfg(test)]`.
    pub(super) fn in_tests(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Whether a place stands in a comment.
    pub(super) fn in_comment(&self, at: usize) -> bool {
        self.comments.iter().any(|range| range.contains(&at))
    }

    /// Whether it is a Rust file that ends up in what is shipped: of a crate's `src`, and not a file of tests.
    pub(super) fn is_shipped(&self) -> bool {
        let crates = ["schema/", "nats/", "store/", "gateway/", "workers/", "client/", "cli/"];
        self.path.ends_with(".rs")
            && crates.iter().any(|name| self.path.starts_with(name))
            && self.path.contains("/src/")
            && !self.path.ends_with("/tests.rs")
            && !self.path.contains("/tests/")
            && !MODELS.contains(&self.path.as_str())
    }

    /// The crate's folder: the first part of the path.
    pub(super) fn folder(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text[..at].matches('\n').count()
    }
}

/// Files that are compiled for tests alone, though their names don't say so.
const MODELS: [&str; 1] = ["workers/src/deliver/model.rs"];

/// The places of `word` in `code`, where it is not part of a longer name.
pub(super) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let (starts, ends) = (word.starts_with(part), word.ends_with(part));
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !(starts && before.is_some_and(part) || ends && after.is_some_and(part))
    })
}

/// Rust text taken apart.
#[derive(Default)]
struct Apart {
    /// With blanks for comments and literals.
    code: String,
    comments: Vec<Range<usize>>,
    literals: Vec<(usize, String)>,
}

impl Apart {
    fn of(text: &str) -> Apart {
        let Apart { mut code, mut comments, mut literals } = Apart::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let at = text.len() - rest.len();
            let named = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let length = if rest.starts_with("//") || rest.starts_with("/*") {
                let length = comment(rest);
                comments.push(at..at + length);
                length
            } else if let Some((open, length)) = raw(rest).filter(|_| !named) {
                literals.push((at, rest[open..length.saturating_sub(open.saturating_sub(1))].to_owned()));
                length
            } else if first == '"' {
                let length = quoted(rest);
                literals.push((at, rest[1..length.saturating_sub(1).max(1)].to_owned()));
                length
            } else if let Some(length) = character(rest) {
                length
            } else {
                code.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            };
            code.push_str(&blanks(&rest[..length]));
            rest = &rest[length..];
        }
        Apart { code, comments, literals }
    }
}

/// The length of a comment; of a block with those inside it.
fn comment(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Where the words of a raw string begin, and its length.
fn raw(text: &str) -> Option<(usize, usize)> {
    let marks = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = marks.len() - marks.trim_start_matches('#').len();
    marks[hashes..].strip_prefix('"')?;
    let open = text.len() - marks.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    Some((open, text[open..].find(&close).map_or(text.len(), |at| open + at + close.len())))
}

/// The length of a string in quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            c => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// The length of a character in quotes; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        let end = inside[1..].char_indices().skip(1).find(|(_, c)| *c == '\'')?.0;
        return Some(1 + 1 + end + 1);
    }
    inside[first.len_utf8()..].starts_with('\'').then_some(1 + first.len_utf8() + 1)
}

/// Where the items under `#[cfg(test)]` stand.
fn tests(code: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, mark) in code.match_indices("#[cfg(test)]") {
        let item = at + mark.len();
        let end = match code[item..].find([';', '{']).map(|end| item + end) {
            Some(end) if code[end..].starts_with(';') => end + 1,
            Some(open) => closing(code, open),
            None => code.len(),
        };
        if found.last().is_none_or(|before| before.end <= at) {
            found.push(at..end);
        }
    }
    found
}

/// Blanks of the same length, with the same lines.
fn blanks(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// The place after the brace that closes the one at `open`.
pub(super) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

#[test]
fn comments_and_literals_are_told_from_code() {
    let text = r##"let a = "x\"y // no"; // tokio "z"
let b = r#"raw "quote" \"#; /* a /* nested */ tokio */ let c = '"'; let d: &'static str = b"bytes"; let e = '\''; f('é')"##;
    let source = Source::new("x.rs", text);
    assert_eq!(source.code.len(), text.len());
    assert!(!source.code.contains("tokio") && !source.code.contains("no") && !source.code.contains("nested"));
    for kept in ["let a =", "let b =", "let c =", "let d: &'static str = b", "let e =", "f("] {
        assert!(source.code.contains(kept), "{kept} in {}", source.code);
    }
    let literals: Vec<_> = source.literals.iter().map(|(at, text)| (source.line(*at), text.as_str())).collect();
    assert_eq!(literals, [(1, r#"x\"y // no"#), (2, r#"raw "quote" \"#), (2, "bytes")]);
}

#[test]
fn tests_are_told_from_what_is_shipped() {
    let text =
        "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { if c {} }\n}\nfn d() {}\n#[cfg(test)]\nmod other;\nfn e() {}";
    let shipped = Source::new("x.rs", text).shipped;
    assert_eq!(shipped.matches("fn").count(), 3);
    assert!(shipped.contains("fn a") && shipped.contains("fn d") && shipped.contains("fn e"));
    assert_eq!(shipped.matches('\n').count(), text.matches('\n').count());
}

#[test]
fn a_word_is_no_part_of_a_longer_one() {
    let found = |code, word| words(code, word).collect::<Vec<_>>();
    assert_eq!(found("tokio::x atokio tokio_util tokio", "tokio"), [0, 27]);
    assert_eq!(found("a.unwrap() a.unwrap_or(b)", ".unwrap()"), [1]);
}
