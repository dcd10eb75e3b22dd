//! What a gateway asks the media workers, and an eraser tells them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MediaFacts, MediaId, Sha256, record::Promise};
use crate::{Address, Code, MessageId, Millis, Sender, UserName, envelope::sealed};

const VERSION: u8 = 1;

/// The question. All but the first go to the shard of the file that they name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaRequest {
    /// Somebody wants to upload a file: answered with [`MediaAnswer::Begun`]. Asked of the shard of the user.
    Begin {
        /// Who.
        by: UserName,
        /// What it is to be.
        file: Promise,
    },
    /// They go on with an upload: answered with [`MediaAnswer::Begun`], with the parts that are not there yet.
    GoOn {
        /// Who.
        by: UserName,
        /// The upload.
        media: MediaId,
    },
    /// They have uploaded it, or show that they have its bytes: answered with [`MediaAnswer::Usable`]. Asking again does no harm.
    Complete {
        /// Who.
        by: UserName,
        /// The upload.
        media: MediaId,
        /// The answer to the challenge.
        proof: Option<Sha256>,
    },
    /// Something that is to be sent refers to a file: answered with [`MediaAnswer::Usable`] once its lease is raised.
    Refer {
        /// The message.
        message: (Sender, MessageId, Address),
        /// The file.
        media: MediaId,
        /// Until when the message may be there.
        until: Millis,
        /// Whether the gateway knows that the sender may see the file; otherwise they must have uploaded it.
        seen: bool,
    },
    /// Somebody wants to have a file: answered with [`MediaAnswer::Usable`], whose `url` is where it can be had, if the store gives it.
    Open {
        /// Who.
        by: UserName,
        /// The file.
        media: MediaId,
        /// Whether it is the small picture that they want.
        thumbnail: bool,
        /// What the file is to be called.
        name: Option<super::FileName>,
        /// Whether the gateway knows that they may see it; otherwise they must have uploaded it.
        seen: bool,
    },
    /// A message that refers to a file was taken out: answered with [`MediaAnswer::Done`].
    Release {
        /// Whose it was.
        from: Sender,
        /// Its id.
        id: MessageId,
        /// What it was sent to: one id may have gone to two people.
        to: Address,
        /// The file.
        media: MediaId,
    },
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaAnswer {
    /// What to upload, and where.
    Begun {
        /// The upload.
        media: MediaId,
        /// The parts that are not there.
        parts: Vec<Part>,
        /// Until when.
        expires: Millis,
        /// Where the bytes are there already: see [`super::record::MediaState::Promised`].
        challenge: Option<[u8; 16]>,
    },
    /// The file is there.
    Usable {
        /// The file: another one than was asked for, where the same bytes had been stored already.
        media: MediaId,
        /// What is known of it.
        facts: MediaFacts,
        /// Where it can be had; `None` where gateways have it themselves.
        url: Option<String>,
    },
    /// It is done.
    Done,
    /// It is not.
    Refused(MediaRefusal),
}

/// A part of a file that is to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which, from 1.
    pub number: u32,
    /// Where in the file it begins.
    pub from: u64,
    /// Its bytes.
    pub size: u64,
    /// Where to put it, and what to say with it; `None` where gateways take it themselves.
    pub to: Option<(String, BTreeMap<String, String>)>,
}

/// Why something is not done with media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MediaRefusal {
    /// There is no such file, or whoever asks may not have it: nobody is to know which.
    #[error("there is no such file, or it is not for you")]
    NotFound,
    /// Its bytes were there and are lost.
    #[error("the store has lost this file: upload it again")]
    Lost,
    /// It was not uploaded, or not all of it.
    #[error("this file was not uploaded yet: {0} of its parts are missing")]
    Missing(u32),
    /// What was uploaded is not what was announced.
    #[error("what was uploaded is not what was announced: {0}")]
    Differs(String),
    /// Whoever should show that they have its bytes did not.
    #[error("`proof` is not the SHA-256 of the challenge and the file's bytes")]
    NoProof,
    /// The share of the store of whoever asks is used up.
    #[error("your files may have {most} bytes together, and have {used}")]
    Quota {
        /// Bytes that are used.
        used: u64,
        /// Bytes at most.
        most: u64,
    },
    /// It is being looked at.
    #[error("the file is being looked at: ask again")]
    Busy,
    /// The store can't be reached, or refuses.
    #[error("files can't be stored or given now")]
    Unavailable,
}

impl MediaRefusal {
    /// The code that a client is told.
    pub fn code(&self) -> Code {
        match self {
            MediaRefusal::NotFound => Code::NotFound,
            MediaRefusal::Lost => Code::MediaLost,
            MediaRefusal::Missing(_) | MediaRefusal::Differs(_) | MediaRefusal::NoProof => Code::NotUploaded,
            MediaRefusal::Quota { .. } => Code::TooMany,
            MediaRefusal::Busy | MediaRefusal::Unavailable => Code::Unavailable,
        }
    }

    /// When to try again, where that can help.
    pub fn retry_after(&self) -> Option<Millis> {
        match self {
            MediaRefusal::Busy => Some(Millis(500)),
            MediaRefusal::Unavailable => Some(Millis(5_000)),
            MediaRefusal::NotFound
            | MediaRefusal::Lost
            | MediaRefusal::Missing(_)
            | MediaRefusal::Differs(_)
            | MediaRefusal::NoProof
            | MediaRefusal::Quota { .. } => None,
        }
    }
}

sealed!(VERSION: MediaRequest, MediaAnswer);
