//! Records of STATE about media, all of them written by `media`.

use serde::{Deserialize, Serialize};

use super::{MediaFacts, MediaId, Sha256};
use crate::{Address, MessageId, Millis, Sender, UserName, envelope::sealed};

const VERSION: u8 = 1;

/// A file, or what is to become one: see [`crate::subject::media_record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaRecord {
    /// What is there of it.
    pub state: MediaState,
    /// The lease: until then its bytes stay. It is raised before something refers to them. The record goes by itself when it ends, and
    /// bytes that no record speaks of are taken out of the store. No other file is ever called so.
    pub until: Millis,
}

/// What is there of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaState {
    /// Somebody is to upload it.
    Promised {
        /// Who.
        by: UserName,
        /// What it is to be.
        file: Promise,
        /// Where the same bytes are there already, what whoever shows to have them is asked: the SHA-256 of this and the bytes behind it.
        challenge: Option<[u8; 16]>,
    },
    /// Its bytes are stored, and are what they were said to be.
    Usable(Usable),
    /// The same bytes were stored already, as this.
    Became(MediaId),
    /// Its bytes are no longer in the store, and nobody took them out.
    Lost,
}

/// What a file is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Its bytes: 1 to [`crate::limits::MEDIA_BYTES`].
    pub size: u64,
    /// What it is said to be.
    pub kind: super::MediaType,
    /// The hash of its bytes.
    pub sha256: Sha256,
}

/// A file that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usable {
    /// The hash of the bytes that were uploaded.
    pub sha256: Sha256,
    /// What is known of them.
    pub facts: MediaFacts,
    /// What refers to it: [`crate::limits::MEDIA_REFERENCES`] at most.
    pub references: Vec<Reference>,
    /// Whether more refers to it, or did, than could be kept: then nothing shows that nobody does any more, but the end of its lease.
    pub more: bool,
}

/// A message that refers to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Whose it is.
    pub from: Sender,
    /// Its id.
    pub id: MessageId,
    /// What it was sent to.
    pub to: Address,
}

/// Which file has these bytes, or had: see [`crate::subject::media_same`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SameRecord {
    /// The file.
    pub media: MediaId,
}

/// That somebody uploads a file, or has: see [`crate::subject::uploaded`]. It lets them send it, and counts in their share of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedRecord {
    /// Its bytes.
    pub size: u64,
    /// Until when it lets them: its lease, as the file has one.
    pub until: Millis,
}

sealed!(VERSION: MediaRecord, SameRecord, UploadedRecord);
