//! What goes wrong with a store, as far as callers tell it apart.

use std::{io, time::Duration};

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such upload or object.
    #[error("it is not in the store")]
    NotFound,
    /// A part of an upload is not there, or does not have its size: it has to be sent again.
    #[error("part {part} is not there in full")]
    Incomplete {
        /// The part's number, from 1.
        part: u32,
    },
    /// What was sent has another length than was promised.
    #[error("its length is not the {promised} bytes that were promised")]
    Length {
        /// The length that was promised, in bytes.
        promised: u64,
    },
    /// Whoever sent the bytes stopped; a part that was begun is sent again from its beginning.
    #[error("its sender stopped: {0}")]
    Sender(String),
    /// There is no room left: somebody has to make some.
    #[error("the store is full")]
    Full,
    /// The store does not let us in, or not here: somebody has to look at its credentials or permissions.
    #[error("the store refuses: {0}")]
    Denied(String),
    /// The store can be read, and not written.
    #[error("the store is read-only")]
    ReadOnly,
    /// The store can't be reached, or does not work. Worth another try later.
    #[error("the store does not answer: {why}")]
    Unavailable {
        /// What was seen of it.
        why: String,
        /// When the next try makes sense, where the circuit is open and nothing was tried.
        after: Option<Duration>,
    },
}

impl Error {
    /// The store failed with `why`.
    pub(crate) fn unavailable(why: impl ToString) -> Error {
        Error::Unavailable { why: why.to_string(), after: None }
    }

    /// Whether another try may do: the store was asked, and did not work.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Error::Unavailable { after: None, .. })
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        let is = |kinds: &[io::ErrorKind]| kinds.contains(&error.kind());
        if is(&[io::ErrorKind::NotFound]) {
            Error::NotFound
        } else if is(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge]) {
            Error::Full
        } else if is(&[io::ErrorKind::PermissionDenied]) {
            Error::Denied(error.to_string())
        } else if is(&[io::ErrorKind::ReadOnlyFilesystem]) {
            Error::ReadOnly
        } else {
            Error::unavailable(error)
        }
    }
}

#[test]
fn what_a_file_system_says_is_told_apart() {
    let told = |number| format!("{:?}", Error::from(io::Error::from_raw_os_error(number)));
    // ENOENT, ENOSPC, EDQUOT, EFBIG, EACCES, EPERM, EROFS, EIO as Linux numbers them.
    let words = ["NotFound", "Full", "Full", "Full", "Denied", "Denied", "ReadOnly", "Unavailable"];
    for (number, word) in [2, 28, 122, 27, 13, 1, 30, 5].into_iter().zip(words) {
        assert!(told(number).starts_with(word), "{number} is told as {}", told(number));
    }
}
