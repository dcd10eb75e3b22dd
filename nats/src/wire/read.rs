//! What a server says, taken apart where it lies.

use memchr::memchr;

/// The longest line, but for `INFO`, which names each server of a cluster.
pub(super) const LINE: usize = 8 << 10;
/// The longest `INFO`.
pub(super) const INFO: usize = 1 << 20;
/// The most bytes that a message may be announced with: what nats-server itself can be set to.
pub(super) const MESSAGE: usize = 64 << 20;
/// What a message ends with, as any line.
const END: &[u8] = b"\r\n";

/// One thing that a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    /// What it is, as JSON.
    Info(&'a [u8]),
    /// Of a subscription.
    Message(Message<'a>),
    Ping,
    Pong,
    Ok,
    /// A complaint, without its quotes.
    Error(&'a [u8]),
}

/// A message of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// The subscription's number.
    pub(crate) sid: u64,
    pub(crate) subject: &'a [u8],
    /// Where an answer goes.
    pub(crate) reply: Option<&'a [u8]>,
    /// The headers as they came, with the line that they begin with; empty where there are none.
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// What the bytes at hand hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// They begin with this, which takes so many of them.
    Whole(Said<'a>, usize),
    /// With the beginning of something that takes at least so many.
    Part(usize),
}

/// This is no NATS server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a NATS server does not say this: {0}")]
pub(crate) struct Malformed(&'static str);

/// Takes apart what these bytes begin with. Errors: see [`Malformed`].
pub(crate) fn next(bytes: &[u8]) -> Result<Step<'_>, Malformed> {
    let most = if starts_with(bytes, b"INFO") { INFO } else { LINE };
    let Some(feed) = memchr(b'\n', &bytes[..bytes.len().min(most)]) else {
        return if bytes.len() < most {
            Ok(Step::Part(bytes.len() + 1))
        } else {
            Err(Malformed("a line without an end"))
        };
    };
    let line = bytes[..feed].strip_suffix(b"\r").unwrap_or(&bytes[..feed]);
    let length = feed + 1;
    let (verb, rest) = match line.iter().position(|byte| is_blank(*byte)) {
        Some(blank) => (&line[..blank], &line[blank + 1..]),
        None => (line, &line[line.len()..]),
    };
    let said = match verb {
        b"MSG" => return message(bytes, rest, length, Form::Plain),
        b"HMSG" => return message(bytes, rest, length, Form::WithHeaders),
        b"PING" => Said::Ping,
        b"PONG" => Said::Pong,
        b"+OK" => Said::Ok,
        b"-ERR" => Said::Error(unquoted(rest)),
        b"INFO" => Said::Info(rest.trim_ascii()),
        _ => return Err(Malformed("an unknown word")),
    };
    Ok(Step::Whole(said, length))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    WithHeaders,
}

/// The message whose first line, of so many bytes, says `described`.
fn message<'a>(bytes: &'a [u8], described: &'a [u8], line: usize, form: Form) -> Result<Step<'a>, Malformed> {
    let mut words = Words(described);
    let mut word = || words.next().ok_or(Malformed("a message with too few words"));
    let (subject, sid) = (word()?, number(word()?)?);
    let third = word()?;
    let rest: [Option<&[u8]>; 3] = [words.next(), words.next(), words.next()];
    // A reply is there or not: the numbers are the last words.
    let (reply, head, total) = match (form, rest) {
        (Form::Plain, [None, None, None]) => (None, 0, third),
        (Form::Plain, [Some(total), None, None]) => (Some(third), 0, total),
        (Form::WithHeaders, [Some(total), None, None]) => (None, size(third)?, total),
        (Form::WithHeaders, [Some(head), Some(total), None]) => (Some(third), size(head)?, total),
        (Form::Plain | Form::WithHeaders, _) => return Err(Malformed("a message with other words")),
    };
    let total = size(total)?;
    if head > total {
        return Err(Malformed("headers that are longer than their message"));
    }
    let length = line + total + END.len();
    let Some(body) = bytes.get(line..length) else { return Ok(Step::Part(length)) };
    let Some(body) = body.strip_suffix(END) else { return Err(Malformed("a message that does not end where it says")) };
    let (headers, payload) = body.split_at(head);
    Ok(Step::Whole(Said::Message(Message { sid, subject, reply, headers, payload }), length))
}

/// Words with blanks between them.
struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let begin = self.0.iter().position(|byte| !is_blank(*byte))?;
        let rest = &self.0[begin..];
        let end = rest.iter().position(|byte| is_blank(*byte)).unwrap_or(rest.len());
        self.0 = &rest[end..];
        Some(&rest[..end])
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn number(word: &[u8]) -> Result<u64, Malformed> {
    let digits = std::str::from_utf8(word).ok().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(Malformed("a number that is none"))
}

fn size(word: &[u8]) -> Result<usize, Malformed> {
    let size = usize::try_from(number(word)?).ok();
    size.filter(|size| *size <= MESSAGE).ok_or(Malformed("a message that is too large"))
}

/// Whether these bytes begin with this word, or are a part of it.
fn starts_with(bytes: &[u8], word: &[u8]) -> bool {
    let shared = bytes.len().min(word.len());
    bytes[..shared] == word[..shared]
}

fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'")).unwrap_or(text)
}

#[cfg(test)]
mod tests;
