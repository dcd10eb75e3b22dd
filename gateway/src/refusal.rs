//! What a client is told of a frame that is refused, a question among others.

use dunlin_nats::{AccountsError, DeviceError, ErasureError, IndexError, ReadError, RecordError};
use dunlin_schema::{
    Code, Millis, code::Retry, frame::ServerFrame, group::GroupRefusal, limits, media::service::MediaRefusal,
};

use crate::directory::Unheard;

/// Why a frame is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Millis>,
}

const RETRY_AFTER: Millis = Millis(1_000);

impl Refusal {
    /// Not now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Refusal {
        Refusal { code: Code::Unavailable, message: message.into(), retry_after: Some(RETRY_AFTER) }
    }

    /// Asking again can't help.
    pub(crate) fn never(code: Code, message: impl ToString) -> Refusal {
        Refusal { code, message: message.to_string(), retry_after: None }
    }

    /// It may be done.
    pub(crate) fn unknown_outcome() -> Refusal {
        let message = "it may be done: repeat it with the same id".to_owned();
        Refusal { code: Code::UnknownOutcome, message, retry_after: Some(RETRY_AFTER) }
    }

    /// The gateway has as many questions under way as it takes.
    pub(crate) fn crowded() -> Refusal {
        Refusal::unavailable("this gateway answers as many questions as it can: ask again")
    }

    /// Beyond the user's share.
    pub(crate) fn over_the_share(retry_after: Millis) -> Refusal {
        let message = "this is more than the user's share".to_owned();
        Refusal { code: Code::RateLimited, message, retry_after: Some(retry_after) }
    }

    /// The frame that tells it.
    pub(crate) fn of(self, reference: Option<u64>) -> ServerFrame {
        let Refusal { code, message, retry_after } = self;
        ServerFrame::Refused { reference, code: code.into(), message, retry_after }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Refusal {
        Refusal::unavailable(error.to_string())
    }
}

impl From<DeviceError> for Refusal {
    fn from(error: DeviceError) -> Refusal {
        match error {
            DeviceError::NotThere => Refusal::never(Code::NotFound, error),
            DeviceError::Unanswered(_) | DeviceError::NotStored | DeviceError::Unreadable => {
                Refusal::unavailable(error.to_string())
            }
        }
    }
}

impl From<GroupRefusal> for Refusal {
    fn from(refusal: GroupRefusal) -> Refusal {
        let code = refusal.code();
        let retry_after = (code.retry() == Retry::Later).then_some(refusal.retry_after().unwrap_or(RETRY_AFTER));
        Refusal { code, message: refusal.to_string(), retry_after }
    }
}

impl From<MediaRefusal> for Refusal {
    fn from(refusal: MediaRefusal) -> Refusal {
        Refusal { code: refusal.code(), message: refusal.to_string(), retry_after: refusal.retry_after() }
    }
}

impl From<ErasureError> for Refusal {
    fn from(error: ErasureError) -> Refusal {
        Refusal::unavailable(error.to_string())
    }
}

impl From<IndexError> for Refusal {
    fn from(error: IndexError) -> Refusal {
        Refusal::unavailable(error.to_string())
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        Refusal::unavailable(error.to_string())
    }
}

impl From<AccountsError> for Refusal {
    fn from(error: AccountsError) -> Refusal {
        match error {
            AccountsError::TooMany => {
                let message =
                    format!("{} people are blocked, which is as many as may be: unblock one first", limits::BLOCKED);
                Refusal::never(Code::TooLarge, message)
            }
            AccountsError::Unanswered(_) | AccountsError::NotStored | AccountsError::Unreadable => {
                Refusal::unavailable(error.to_string())
            }
        }
    }
}

impl From<Unheard> for Refusal {
    fn from(error: Unheard) -> Refusal {
        Refusal::unavailable(format!("the other gateways can't be asked: {error}"))
    }
}
