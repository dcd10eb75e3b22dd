//! A conversation as lines of a terminal, decided without one.

use dunlin_client::{
    Conversation,
    conversation::{Gap, Message, State},
};
use dunlin_schema::{Attachment, Millis, presence::PresenceState};
use time::{OffsetDateTime, UtcOffset};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::members::Members;
use crate::plain;

/// How a line is drawn. Each is told apart by its words as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Own,
    /// One's own, read by the peer.
    Read,
    /// What the program says itself.
    Faint,
    Bad,
}

/// Where and when it is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Columns.
    pub(super) width: usize,
    pub(super) now: Millis,
    /// Of the clock that times are shown by.
    pub(super) offset: UtcOffset,
}

/// A line of at most the width that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// The conversation as rows, oldest first.
pub(super) fn rows(conversation: &Conversation, members: &Members, frame: Frame) -> Vec<Row> {
    let mut rows = Vec::new();
    let gaps = conversation.gaps().map(|gap| (gap.from, missing(gap, frame)));
    let told =
        members.lines().map(|(time, words)| (time, format!("— {} {} —", stamp(time, frame), plain::text(words))));
    let mut between: Vec<_> = gaps.chain(told).collect();
    between.sort_by_key(|(time, _)| *time);
    let mut between = between.into_iter().peekable();
    for message in conversation.messages() {
        while let Some((_, line)) = between.next_if(|(time, _)| *time < message.time) {
            rows.extend(wrapped(Tone::Faint, &line, frame.width));
        }
        let tone = match &message.state {
            None => Tone::Plain,
            Some(State::Sending | State::Sent | State::Delivered) => Tone::Own,
            Some(State::Read) => Tone::Read,
            Some(State::Failed(_)) => Tone::Bad,
        };
        rows.extend(wrapped(tone, &line(&message, conversation, frame), frame.width));
    }
    for (_, line) in between {
        rows.extend(wrapped(Tone::Faint, &line, frame.width));
    }
    rows
}

/// What is so just now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doing<'a> {
    /// Who types.
    pub(super) typing: &'a [String],
    /// What the group is called.
    pub(super) title: Option<&'a str>,
    /// What is wrong with the connection.
    pub(super) trouble: Option<&'a str>,
}

/// The status below the conversation: what is wrong with the connection, or who types, or who is there.
pub(super) fn status(conversation: &Conversation, doing: &Doing<'_>, frame: Frame) -> Row {
    let Doing { typing, title, trouble } = *doing;
    let (me, peer) = (conversation.me(), conversation.peer());
    let faint = |text| Row { tone: Tone::Faint, text };
    if let Some(trouble) = trouble {
        return no_connection(trouble);
    }
    match typing {
        [] => {}
        [one] => return faint(format!("{one} is typing…")),
        [one, other] => return faint(format!("{one} and {other} are typing…")),
        [one, others @ ..] => return faint(format!("{one} and {} others are typing…", others.len())),
    }
    let presence = conversation.presence().map_or_else(String::new, |presence| match presence.state.known() {
        Some(PresenceState::Online) => format!(" · {peer} is online"),
        Some(PresenceState::Offline) => {
            let seen = presence.last_seen.map(|at| format!(", last seen {}", stamp(at, frame)));
            format!(" · {peer} is offline{}", seen.unwrap_or_default())
        }
        Some(PresenceState::Unknown) | None => String::new(),
    });
    match title {
        Some(title) => faint(format!("{me} in {} ({peer}) · /help", plain::text(title))),
        None => faint(format!("{me} with {peer}{presence} · /help")),
    }
}

/// The status while there has been no connection yet, where it is known who talks with whom.
pub(super) fn connecting(talk: &str, trouble: Option<&str>) -> Row {
    match trouble {
        Some(trouble) => no_connection(trouble),
        None => Row { tone: Tone::Faint, text: format!("{talk} · connecting; what you type is kept") },
    }
}

fn no_connection(why: &str) -> Row {
    Row { tone: Tone::Bad, text: plain::text(&format!("no connection, trying again: {why}")) }
}

/// What the program says to whoever typed something, above the status.
pub(super) fn notice(words: &str, frame: Frame) -> Vec<Row> {
    wrapped(Tone::Faint, words, frame.width)
}

fn missing(Gap { from, to }: Gap, frame: Frame) -> String {
    format!("— messages between {} and {} may be missing —", stamp(from, frame), stamp(to, frame))
}

fn line(message: &Message<'_>, conversation: &Conversation, frame: Frame) -> String {
    let who = if message.state.is_some() { "you".to_owned() } else { message.from.to_string() };
    let files: String = message.attachments.iter().map(file).collect();
    let words = match (message.deleted, message.text, message.data) {
        (true, _, _) => "(deleted)".to_owned(),
        (false, Some(text), _) => plain::text(text) + &files,
        (false, None, Some(data)) => format!("({} bytes)", data.0.len()) + &files,
        (false, None, None) if files.is_empty() => "(no text)".to_owned(),
        (false, None, None) => files.trim_start().to_owned(),
    };
    let answers = message.reply_to.and_then(|id| conversation.find(id)).and_then(|answered| answered.text);
    let answers = answers.map_or_else(String::new, |text| format!("[re: {}] ", plain::text(&shortened(text))));
    let edited = if message.edited && !message.deleted { " (edited)" } else { "" };
    let reactions: String =
        message.reactions.iter().map(|given| format!(" [{} {}]", plain::text(given.emoji), given.by)).collect();
    let state = message.state.as_ref().map_or_else(String::new, |state| format!("  {}", tick(state)));
    format!("{} {who}: {answers}{words}{edited}{reactions}{state}", stamp(message.time, frame))
}

/// A file that goes with a message, as `dunlin media get` is told of it.
fn file(attachment: &Attachment) -> String {
    let Attachment { media, name, size, .. } = attachment;
    let name = name.as_ref().map_or_else(|| attachment.kind.to_string(), |name| plain::text(name.as_str()));
    format!(" [{name}, {} KiB, {media}]", size.div_ceil(1_024))
}

/// How far a message is.
fn tick(state: &State) -> String {
    match state {
        State::Sending => "…".to_owned(),
        State::Sent => "✓".to_owned(),
        State::Delivered => "✓✓".to_owned(),
        State::Read => "✓✓ read".to_owned(),
        State::Failed(failure) => format!("✗ {}", plain::text(&failure.message)),
    }
}

fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(30).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

/// Hours and minutes, behind the day where it is another than today.
fn stamp(time: Millis, frame: Frame) -> String {
    let at = |time: Millis| {
        let seconds = i64::try_from(time.0 / 1_000).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).ok()?.checked_to_offset(frame.offset)
    };
    match (at(time), at(frame.now)) {
        (Some(at), Some(now)) if at.date() == now.date() => format!("{:02}:{:02}", at.hour(), at.minute()),
        (Some(at), _) => format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute()),
        (None, _) => "--:--".to_owned(),
    }
}

/// A text in rows of at most `width` columns; what follows a break is indented. Only a word that no row has room for is broken.
fn wrapped(tone: Tone, text: &str, width: usize) -> Vec<Row> {
    const INDENT: &str = "  ";
    let width = width.max(INDENT.len() + 2);
    let mut rows = vec![String::new()];
    let mut columns = 0;
    for (number, line) in text.split('\n').enumerate() {
        let mut is_due = number > 0;
        for word in line.split_inclusive(' ') {
            let length = word.trim_end_matches(' ').width();
            is_due |= columns > INDENT.len() && columns + length > width && INDENT.len() + length <= width;
            for c in word.chars() {
                let wide = c.width().unwrap_or(0);
                let is_full = columns + wide > width;
                if is_full && c == ' ' {
                    continue;
                }
                if std::mem::take(&mut is_due) || is_full {
                    rows.push(INDENT.to_owned());
                    columns = INDENT.len();
                }
                rows.last_mut().into_iter().for_each(|row| row.push(c));
                columns += wide;
            }
        }
        if is_due {
            rows.push(INDENT.to_owned());
            columns = INDENT.len();
        }
    }
    rows.into_iter().map(|text| Row { tone, text }).collect()
}

#[cfg(test)]
mod tests {
    use dunlin_client::{Accepted, PendingId, SendError};
    use dunlin_schema::{Code, Content, MediaId, MessageId, Seq, media::MediaFacts, presence::Presence};

    use super::*;

    /// Alice has said these things, at 1970-01-01 00:00.
    fn conversation(said: &[&str]) -> Conversation {
        let mut conversation = Conversation::new("alice".parse().unwrap(), "bob".parse().unwrap());
        for (number, text) in (1..).zip(said) {
            let text = Some((*text).to_owned());
            let content =
                Content::Message { text, data: None, attachments: Vec::new(), reply_to: None, mentions: vec![] };
            let key = conversation.sending(Millis(1), content, PendingId::default());
            let id = MessageId::from_parts(Millis(number), 0);
            conversation.settled(key, &Ok(Accepted { id, order: Some(Seq(number)), time: Millis(number) }));
        }
        conversation
    }

    /// A day later.
    fn drawn(conversation: &Conversation, width: usize) -> Vec<String> {
        rows(conversation, &Members::default(), Frame { width, now: Millis(86_400_000), offset: UtcOffset::UTC })
            .into_iter()
            .map(|row| row.text)
            .collect()
    }

    #[test]
    fn ticks_are_told_apart_without_colour() {
        let mut conversation = conversation(&["a", "b", "c"]);
        let bob = || dunlin_schema::Open::of_text("bob");
        conversation.receipt(&dunlin_client::Receipt {
            by: Some(bob()),
            to: bob(),
            order: None,
            delivered: Some(2),
            read: Some(1),
            of: None,
            time: Millis(2),
            since: None,
            missing: dunlin_schema::Spans::default(),
        });
        let content = |text: &str| Content::Message {
            text: Some(text.to_owned()),
            data: None,
            attachments: Vec::new(),
            reply_to: None,
            mentions: vec![],
        };
        conversation.sending(Millis(1), content("d"), PendingId::default());
        let key = conversation.sending(Millis(4), content("e"), PendingId::default());
        let refused = SendError::Rejected { code: Code::TooOld.into(), message: "not\u{1b}[2J wanted".to_owned() };
        conversation.settled(key, &Err(refused));
        conversation.gap(Gap { from: Millis(2), to: Millis(60_000) });
        let day = "1970-01-01 00:00";
        let meant = [
            format!("{day} you: a  ✓✓ read"),
            format!("{day} you: b  ✓✓"),
            format!("— messages between {day} and 1970-01-01 00:01 may be missing —"),
            format!("{day} you: c  ✓"),
            format!("{day} you: e  ✗ not\\u{{1b}}[2J wanted"),
            format!("{day} you: d  …"),
        ];
        assert_eq!(drawn(&conversation, 200), meant);
    }

    #[test]
    fn a_message_shows_the_files_that_go_with_it() {
        let media: MediaId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let facts = MediaFacts { size: 2_049, kind: "image/png".parse().unwrap(), ..MediaFacts::default() };
        let attachments = vec![
            Attachment::of(media, "a\u{202e}b.png".parse().ok(), facts.clone()),
            Attachment::of(media, None, facts),
        ];
        let mut conversation = conversation(&[]);
        for text in [None, Some("look".to_owned())] {
            let attachments = attachments.clone();
            let content = Content::Message { text, data: None, attachments, reply_to: None, mentions: vec![] };
            conversation.sending(Millis(1), content, PendingId::default());
        }
        let files = format!("[{}, 3 KiB, {media}] [image/png, 3 KiB, {media}]", plain::text("a\u{202e}b.png"));
        let day = "1970-01-01 00:00";
        let meant = [format!("{day} you: {files}  …"), format!("{day} you: look {files}  …")];
        assert_eq!(drawn(&conversation, 400), meant);
    }

    #[test]
    fn the_status_says_what_matters_most() {
        let mut conversation = conversation(&[]);
        let frame = Frame { width: 80, now: Millis(0), offset: UtcOffset::UTC };
        let bob = dunlin_schema::Open::of_text("bob");
        let said = |conversation: &Conversation, typing: &[&str], trouble| {
            let typing: Vec<String> = typing.iter().map(|who| (*who).to_owned()).collect();
            status(conversation, &Doing { typing: &typing, title: None, trouble }, frame).text
        };
        assert_eq!(said(&conversation, &[], None), "alice with bob · /help");
        conversation.present(&bob, &Presence::online());
        assert_eq!(said(&conversation, &[], None), "alice with bob · bob is online · /help");
        conversation.present(&bob, &Presence::offline(Some(Millis(60_000))));
        assert_eq!(said(&conversation, &[], None), "alice with bob · bob is offline, last seen 00:01 · /help");
        assert_eq!(said(&conversation, &["bob"], None), "bob is typing…");
        assert_eq!(said(&conversation, &["bob", "carol"], None), "bob and carol are typing…");
        assert_eq!(said(&conversation, &["bob", "carol", "dave"], None), "bob and 2 others are typing…");
        assert_eq!(said(&conversation, &["bob"], Some("x\u{7}")), "no connection, trying again: x\\u{7}");
    }

    #[test]
    fn what_is_long_or_wide_is_wrapped_and_nothing_is_written_raw() {
        let conversation = conversation(&["one\ntwo\u{1b}]0;x\u{7}", "漢字漢字漢字"]);
        let rows = drawn(&conversation, 24);
        let meant = [
            "1970-01-01 00:00 you: ",
            "  one",
            "  two\\u{1b}]0;x\\u{7}  ✓",
            "1970-01-01 00:00 you: ",
            "  漢字漢字漢字  ✓",
        ];
        assert_eq!(rows, meant);
        assert!(drawn(&conversation, 0).len() > 10, "a terminal of no width");
        for (text, meant) in [
            ("one two three", &["one two", "  three"][..]),
            ("12345678 x", &["12345678", "  x"]),
            ("a 1234567890", &["a 123456", "  7890"]),
            ("\n\nx", &["", "", "  x"]),
            ("", &[""]),
        ] {
            let rows = wrapped(Tone::Plain, text, 8);
            let rows: Vec<_> = rows.iter().map(|row| row.text.trim_end()).collect();
            assert_eq!(rows, meant, "{text:?}");
        }
        let today = Frame { width: 80, now: Millis(1), offset: UtcOffset::from_hms(2, 0, 0).unwrap() };
        assert!(super::rows(&conversation, &Members::default(), today)[0].text.starts_with("02:00 you: one"));
    }
}
