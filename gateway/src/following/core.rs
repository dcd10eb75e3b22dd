//! What somebody may read of a group, out of what STATE says and of what the log says above that, decided without I/O.
//!
//! Drive it: read the group's record, then the member's ([`Reading::of`]); then give it the entries that the log has above
//! [`Reading::since`], in order. The order matters: the group's record is written behind its members', so a member's record takes account
//! of all that the group's does, or more.

use dunlin_schema::{
    Content, Entry, Sender, StreamTime, Turn, Windows,
    entry::Body,
    envelope::EnvelopeError,
    read::StoredEntry,
    record::{GroupRecord, MemberRecord},
};

/// The windows of somebody, as far as was read.
#[derive(Clone, Debug)]
pub struct Reading {
    windows: Windows,
    /// When the last entry was stored that the windows take account of, of those that name the member.
    at: StreamTime,
    history: bool,
    since: StreamTime,
}

/// Whether an entry changes nothing of what somebody may read. One that can't be read may.
pub fn says_nothing_of(stored: &StoredEntry, user: &Sender) -> bool {
    Entry::decode(&stored.payload).is_ok_and(|entry| match &entry.body {
        Body::Content(content) => Turn::of(content, user).is_none(),
        Body::Tombstone { .. } => true,
    })
}

impl Reading {
    /// What these records say: the group's, if there is one yet, and the member's. Errors: one can't be read.
    pub fn of(group: Option<&[u8]>, member: Option<&[u8]>) -> Result<Reading, EnvelopeError> {
        let group = group.map(GroupRecord::decode).transpose()?;
        let MemberRecord { windows, at, .. } = member.map(MemberRecord::decode).transpose()?.unwrap_or_default();
        let (since, history) =
            group.map_or_else(Default::default, |group| (group.applied.time, group.settings.history));
        Ok(Reading { windows, at: at.time, history, since })
    }

    /// When the last entry was stored that is taken account of.
    pub fn since(&self) -> StreamTime {
        self.since
    }

    /// The log's next entry. Errors: it is damaged, or a newer release wrote it.
    pub fn take(&mut self, stored: &StoredEntry, user: &Sender) -> Result<(), EnvelopeError> {
        let StoredEntry { seq, time, payload } = stored;
        self.since = *time;
        let Body::Content(content) = Entry::decode(payload)?.body else { return Ok(()) };
        if let Content::Settings(settings) = &content {
            self.history = settings.settings.history;
        }
        // A member's record may be newer than the group's.
        if *time > self.at {
            // And of a log that went back, and had more below this.
            self.windows.end_by(seq.previous());
            if let Some(turn) = Turn::of(&content, user) {
                self.windows.turn(*seq, turn, self.history);
            }
        }
        Ok(())
    }

    /// The windows; `None` where it says that they follow the log, and not yet what they may read.
    pub fn windows(self) -> Option<Windows> {
        self.windows.first().is_some().then_some(self.windows)
    }
}
