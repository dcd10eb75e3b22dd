//! What becomes of a file's record, decided without I/O.
//!
//! What is kept of a file is a lease, and its record is that lease: it goes by itself when the lease ends, and then the bytes may go. So a
//! file is never deleted under a message whose lease was raised before it was stored, and none is kept for ever. No id is ever given twice,
//! so whoever finds no record may take out the bytes, whatever anybody does meanwhile.

use dunlin_schema::{
    MediaId, Millis, UserName, limits,
    media::{
        record::{MediaRecord, MediaState, Promise, Reference, Usable},
        service::MediaRefusal,
    },
};

/// How much longer than now a file must stay for the same bytes not to be uploaded again: as long as it takes to show that one has them.
const STAYS: Millis = Millis(3_600_000);

/// Until when what is written now stays where nothing refers to it.
pub fn uploaded_until(now: Millis) -> Millis {
    now.plus(limits::MEDIA_UPLOADED_FOR)
}

/// An upload that begins. `challenge` is there where the same bytes are stored already.
pub fn promised(by: &UserName, file: &Promise, challenge: Option<[u8; 16]>, now: Millis) -> MediaRecord {
    let state = MediaState::Promised { by: by.clone(), file: file.clone(), challenge };
    MediaRecord { state, until: uploaded_until(now) }
}

/// Whether bytes that are stored need not be uploaded again.
pub fn stays(record: &MediaRecord, now: Millis) -> bool {
    matches!(record.state, MediaState::Usable(_)) && record.until > now.plus(STAYS)
}

/// The same file with a lease of at least this long; `None` where it has one.
pub fn raised(record: &MediaRecord, until: Millis) -> Option<MediaRecord> {
    (record.until < until).then(|| MediaRecord { until, ..record.clone() })
}

/// A usable file with a lease until `has`, once a message refers to it that may be there until `wanted`; `None` where that is known.
pub fn referred(usable: &Usable, has: Millis, wanted: Millis, reference: &Reference) -> Option<MediaRecord> {
    let is_known = usable.references.contains(reference);
    let has_room = usable.references.len() < limits::MEDIA_REFERENCES;
    if wanted <= has && (is_known || (usable.more && !has_room)) {
        return None;
    }
    let mut usable = usable.clone();
    match (is_known, has_room) {
        (true, _) => {}
        (false, true) => usable.references.push(reference.clone()),
        (false, false) => usable.more = true,
    }
    Some(MediaRecord { state: MediaState::Usable(usable), until: has.max(wanted) })
}

/// The same, once a message is taken out; `None` where nothing changes by that. A file that nothing refers to any more goes a day later:
/// somebody may be about to refer to it again.
pub fn released(record: &MediaRecord, message: &Reference, now: Millis) -> Option<MediaRecord> {
    let MediaState::Usable(usable) = &record.state else { return None };
    if !usable.references.contains(message) {
        return None;
    }
    let mut usable = usable.clone();
    usable.references.retain(|reference| reference != message);
    let is_last = usable.references.is_empty() && !usable.more;
    let until = if is_last { record.until.min(uploaded_until(now)) } else { record.until };
    Some(MediaRecord { state: MediaState::Usable(usable), until })
}

/// What a file becomes whose bytes were stored before under another id; `None` where messages refer to it as it is, or it is no more.
pub fn became(record: &MediaRecord, other: MediaId, now: Millis) -> Option<MediaRecord> {
    let is_free = match &record.state {
        MediaState::Promised { .. } => true,
        MediaState::Usable(usable) => usable.references.is_empty() && !usable.more,
        MediaState::Became(_) | MediaState::Lost => false,
    };
    is_free.then(|| MediaRecord { state: MediaState::Became(other), until: uploaded_until(now) })
}

/// What a file of so many bytes takes of its person's share.
pub fn counted(size: u64) -> u64 {
    size.max(limits::MEDIA_COUNTED)
}

/// Whether there is room for a file of so many bytes.
pub fn within(quota: u64, used: u64, size: u64) -> Result<(), MediaRefusal> {
    match used.saturating_add(counted(size)) > quota {
        true => Err(MediaRefusal::Quota { used, most: quota }),
        false => Ok(()),
    }
}

/// For how long a record with this lease is kept: whole seconds, rounded up.
pub fn kept(until: Millis, now: Millis) -> Millis {
    Millis(until.since(now).0.div_ceil(1_000).max(1) * 1_000)
}

/// Whether what is in the store under a file's id stays there.
pub fn is_of_a_file(record: Option<&MediaRecord>) -> bool {
    match record.map(|record| &record.state) {
        // Of a file that is lost there may be something left, which somebody may want to look at.
        Some(MediaState::Promised { .. } | MediaState::Usable(_) | MediaState::Lost) => true,
        Some(MediaState::Became(_)) | None => false,
    }
}
