//! What may be sent.

use dunlin_schema::{Blob, Content, MessageId, content::ContentError, limits};

fn message(text: Option<usize>, data: Option<usize>, attachments: usize) -> Content {
    let data = data.map(|length| Blob(vec![0; length].into()));
    let text = text.map(|length| "x".repeat(length));
    Content::Message { text, data, attachments: vec!["media".to_owned(); attachments], reply_to: None }
}

#[test]
fn content_is_checked() {
    let target = MessageId::from_bytes([7; 16]);
    let most = limits::BODY_BYTES;
    let edit = |text: Option<&str>| Content::Edit { target, text: text.map(str::to_owned), data: None };
    let react = |emoji: String| Content::React { target, emoji, on: false };
    for (content, checked) in [
        (message(Some(1), None, 0), Ok(())),
        (message(None, Some(1), 0), Ok(())),
        (message(Some(most), None, 0), Ok(())),
        (message(Some(most / 2), Some(most / 2), 0), Ok(())),
        (message(Some(most), Some(1), 0), Err(ContentError::TooLarge(most + 1))),
        (message(None, Some(most + 1), 0), Err(ContentError::TooLarge(most + 1))),
        (message(None, None, 0), Err(ContentError::Empty)),
        (message(Some(0), Some(0), 0), Err(ContentError::Empty)),
        (message(Some(1), None, 1), Err(ContentError::NoMedia)),
        (message(Some(1), None, limits::ATTACHMENTS), Err(ContentError::NoMedia)),
        (
            message(Some(1), None, limits::ATTACHMENTS + 1),
            Err(ContentError::TooManyAttachments(limits::ATTACHMENTS + 1)),
        ),
        (edit(Some("x")), Ok(())),
        (edit(None), Err(ContentError::Empty)),
        (Content::Delete { target }, Ok(())),
        (react("👍".to_owned()), Ok(())),
        (react(String::new()), Err(ContentError::Emoji(0))),
        (react("x".repeat(limits::EMOJI_BYTES)), Ok(())),
        (react("x".repeat(limits::EMOJI_BYTES + 1)), Err(ContentError::Emoji(limits::EMOJI_BYTES + 1))),
    ] {
        assert_eq!(content.check(), checked, "{:.100}", format!("{content:?}"));
    }
}
