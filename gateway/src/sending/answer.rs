//! What a sender is told.

use dunlin_schema::{
    Code, MessageId, Millis, Seq, code::Retry, frame::ServerFrame, group::GroupRefusal, media::service::MediaRefusal,
};

use super::AppendFailure;

/// When a send that may be stored, or found no room, is to be repeated.
const RETRY_AFTER: Millis = Millis(1_000);

/// The one answer to a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is stored.
    Accepted {
        /// Its id.
        id: MessageId,
        /// Its order among what the author sent to this address.
        order: Seq,
        /// When it was taken.
        time: Millis,
    },
    /// It is not, or may not be.
    Rejected {
        /// Its id.
        id: MessageId,
        /// Why.
        code: Code,
        /// The same in words.
        message: String,
        /// When trying again may help.
        retry_after: Option<Millis>,
    },
}

impl Answer {
    /// The author has sent more than its share.
    pub(super) fn over_the_share(id: MessageId, retry_after: Millis) -> Answer {
        Answer::retried(id, Code::RateLimited, "more than your share", retry_after)
    }

    /// Trying again can't help.
    pub fn refused(id: MessageId, code: Code, message: impl Into<String>) -> Answer {
        Answer::Rejected { id, code, message: message.into(), retry_after: None }
    }

    fn retried(id: MessageId, code: Code, message: &str, after: Millis) -> Answer {
        Answer::Rejected { id, code, message: message.to_owned(), retry_after: Some(after) }
    }

    /// Too much waits.
    pub(super) fn crowded(id: MessageId) -> Answer {
        let message = "too many sends wait for their answer: wait for some before sending more";
        Answer::retried(id, Code::Unavailable, message, RETRY_AFTER)
    }

    /// What was sent to this address before it had no answer for so long that it did not get its turn.
    pub(super) fn not_its_turn(id: MessageId) -> Answer {
        let message = "what was sent to this address before it had no answer: nothing was stored";
        Answer::retried(id, Code::Unavailable, message, RETRY_AFTER)
    }

    /// What has to be known before the item is stored was not told in time.
    pub(super) fn not_looked_up(id: MessageId) -> Answer {
        let message = "the message that it is about can't be looked up now: nothing was stored";
        Answer::retried(id, Code::Unavailable, message, RETRY_AFTER)
    }

    /// What it is about was refused for now, and is to come again before it.
    pub(super) fn behind_its_message(id: MessageId) -> Answer {
        let message = "the message that it is about was refused for now: send that again first";
        Answer::retried(id, Code::Unavailable, message, RETRY_AFTER)
    }

    /// Nobody knows whether it is stored.
    pub fn unknown(id: MessageId) -> Answer {
        Answer::retried(id, Code::UnknownOutcome, "it may be stored: repeat it with the same id", RETRY_AFTER)
    }

    /// The recipient's log does not have it, as far as is known.
    pub(super) fn failed(id: MessageId, failure: AppendFailure) -> Answer {
        match failure {
            AppendFailure::TooOld => {
                let message = "the id is too old to tell whether it is stored; a new one is a new message";
                Answer::refused(id, Code::TooOld, message)
            }
            AppendFailure::FromTheFuture => {
                let message = "the id's time is ahead of the server's: set the clock by `server_time` of `welcome`, over HTTP by the header `Date`";
                Answer::refused(id, Code::FromTheFuture, message)
            }
            AppendFailure::Full => Answer::retried(id, Code::Unavailable, "the region's storage is full", RETRY_AFTER),
            AppendFailure::TooLarge => Answer::refused(id, Code::TooLarge, "larger than the region's storage takes"),
            AppendFailure::Unknown => Answer::unknown(id),
            // Who is blocked is told no more than who is no contact.
            AppendFailure::Refused => Answer::refused(id, Code::Refused, "this person does not take messages from you"),
            AppendFailure::Unchecked => {
                let message = "whether this person takes messages from you can't be looked up now: nothing was stored";
                Answer::retried(id, Code::Unavailable, message, RETRY_AFTER)
            }
        }
    }

    /// The group does not take it.
    pub(super) fn refused_in_group(id: MessageId, refusal: GroupRefusal) -> Answer {
        let code = refusal.code();
        let retry_after = (code.retry() == Retry::Later).then_some(refusal.retry_after().unwrap_or(RETRY_AFTER));
        Answer::Rejected { id, code, message: refusal.to_string(), retry_after }
    }

    /// A file that it refers to is not there, or not for the author.
    pub(super) fn without_its_files(id: MessageId, refusal: &MediaRefusal) -> Answer {
        let retry_after = refusal.retry_after();
        Answer::Rejected { id, code: refusal.code(), message: refusal.to_string(), retry_after }
    }

    /// What it is about.
    pub(crate) fn id(&self) -> MessageId {
        match self {
            Answer::Accepted { id, .. } | Answer::Rejected { id, .. } => *id,
        }
    }

    /// Whether it says that the send may be stored.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Answer::Rejected { code: Code::UnknownOutcome, .. })
    }
}

impl From<Answer> for ServerFrame {
    fn from(answer: Answer) -> ServerFrame {
        match answer {
            Answer::Accepted { id, order, time } => ServerFrame::Accepted { id, order: Some(order), time },
            Answer::Rejected { id, code, message, retry_after } => {
                ServerFrame::Rejected { id: id.to_string(), code: code.into(), message, retry_after }
            }
        }
    }
}
