//! What a line means that somebody typed, and what it is about.

use dunlin_client::{
    Conversation,
    conversation::{Message, State},
};
use dunlin_schema::{Content, MessageId};

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Something to send.
    Send(Content),
    /// Words for whoever typed it.
    Notice(String),
    /// The same, where nothing comes of the line.
    Untaken(String),
    /// The end.
    Quit,
    /// Nothing was typed.
    Nothing,
}

/// What can be typed beside messages.
const HELP: &str = "/edit WORDS and /delete: your last message · /react 👍 and /unreact 👍: the last one of the other · /quit · \
                    //x sends /x";

/// What a line means in a conversation as it is now.
pub(super) fn said(line: &str, conversation: &Conversation) -> Said {
    let Some(command) = line.strip_prefix('/') else {
        return if line.trim().is_empty() { Said::Nothing } else { Said::Send(message(line)) };
    };
    if command.starts_with('/') {
        return Said::Send(message(command));
    }
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let mine = |message: &Message<'_>| message.state.is_some();
    match (word, rest) {
        ("quit", "") => Said::Quit,
        ("help", "") => Said::Notice(HELP.to_owned()),
        ("edit", "") => Said::Untaken("/edit needs the new words behind it".to_owned()),
        ("edit", words) => about(last(conversation, mine), "you have sent nothing that could be edited", |target| {
            Content::Edit { target, text: Some(words.to_owned()), data: None }
        }),
        ("delete", "") => about(last(conversation, mine), "you have sent nothing that could be deleted", |target| {
            Content::Delete { target }
        }),
        ("react" | "unreact", "") => Said::Untaken(format!("/{word} needs an emoji behind it")),
        ("react" | "unreact", emoji) => {
            about(last(conversation, |message| !mine(message)), "there is nothing to react to", |target| {
                Content::React { target, emoji: emoji.to_owned(), on: word == "react" }
            })
        }
        _ => Said::Untaken(format!("/{command} is no command, /help shows them; //{command} sends it")),
    }
}

/// A message of this text.
fn message(text: &str) -> Content {
    Content::Message {
        text: Some(text.to_owned()),
        data: None,
        attachments: Vec::new(),
        reply_to: None,
        mentions: vec![],
    }
}

/// The last message that was not deleted and is meant.
fn last<'a>(conversation: &'a Conversation, meant: impl Fn(&Message<'_>) -> bool) -> Option<Message<'a>> {
    conversation.messages().filter(|message| !message.deleted && meant(message)).last()
}

/// What is said about a message, once it is stored. Until then it is about nothing, rather than about the one before.
fn about(target: Option<Message<'_>>, nothing: &str, content: impl FnOnce(MessageId) -> Content) -> Said {
    match target {
        None => Said::Untaken(nothing.to_owned()),
        Some(Message { id: Some(id), order: Some(_), .. }) => Said::Send(content(id)),
        Some(Message { state: Some(State::Failed(_)), .. }) => {
            Said::Untaken("your last message was not sent".to_owned())
        }
        Some(_) => Said::Untaken("your last message is not sent yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use dunlin_client::{Accepted, PendingId, SendError};
    use dunlin_schema::{Millis, Seq};

    use super::*;

    #[test]
    fn lines() {
        let mut conversation = Conversation::new("alice".parse().unwrap(), "bob".parse().unwrap());
        let notice = |said: &Said| matches!(said, Said::Notice(_) | Said::Untaken(_));
        for line in ["/edit x", "/delete", "/react 👍", "/edit", "/dance", "/quit now", "/help"] {
            assert!(notice(&said(line, &conversation)), "{line}");
        }
        let id = MessageId::from_parts(Millis(1), 1);
        let key = conversation.sending(Millis(1), message("hi"), PendingId::default());
        assert!(notice(&said("/delete", &conversation)), "it is not stored yet");
        conversation.settled(key, &Ok(Accepted { id, order: Some(Seq(1)), time: Millis(1) }));
        let edit = Content::Edit { target: id, text: Some("b c".to_owned()), data: None };
        for (line, meant) in [
            ("hi", Said::Send(message("hi"))),
            (" /hi", Said::Send(message(" /hi"))),
            ("//quit", Said::Send(message("/quit"))),
            ("/quit", Said::Quit),
            ("", Said::Nothing),
            ("  ", Said::Nothing),
            ("/edit  b c", Said::Send(edit)),
            ("/delete", Said::Send(Content::Delete { target: id })),
        ] {
            assert_eq!(said(line, &conversation), meant, "{line}");
        }
        assert!(notice(&said("/react 👍", &conversation)), "there is nothing of bob's");

        let key = conversation.sending(Millis(2), message("oops"), PendingId::default());
        let not_yet = Said::Untaken("your last message is not sent yet".to_owned());
        assert_eq!(["/delete", "/edit x"].map(|line| said(line, &conversation)), [not_yet.clone(), not_yet]);
        conversation.settled(key, &Err(SendError::Full));
        assert_eq!(said("/delete", &conversation), Said::Untaken("your last message was not sent".to_owned()));
    }
}
