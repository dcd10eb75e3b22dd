//! What following a log may touch of the session around it: the queue of its frames, the questions it may ask, and whether an entry is its
//! session's own.

use dunlin_schema::{Entry, Millis, Position, RegionName, limits::Bounds, read::ReadRequest};

use super::{
    Output,
    outbound::Outbound,
    sending::{Me, Sending},
};

/// What following a log may touch of the session around it.
pub(super) struct Around<'a> {
    pub(super) now: Millis,
    pub(super) bounds: &'a Bounds,
    pub(super) outbound: &'a mut Outbound,
    pub(super) wants: Wants<'a>,
    pub(super) sent: SentHere<'a>,
}

/// What a log may want done.
pub(super) struct Wants<'a> {
    pub(super) out: &'a mut Vec<Output>,
}

impl Wants<'_> {
    pub(super) fn read(&mut self, request: ReadRequest) {
        self.out.push(Output::Read(request));
    }

    pub(super) fn ask_heads(&mut self) {
        self.out.push(Output::AskHeads);
    }

    pub(super) fn verify(&mut self, doubted: Position) {
        self.out.push(Output::Verify(doubted));
    }

    pub(super) fn corrupt(&mut self, position: Position) {
        self.out.push(Output::Corrupt(position));
    }

    pub(super) fn overflowed(&mut self) {
        self.out.push(Output::Overflowed);
    }
}

/// What the session itself has sent, whose copies its device need not see.
pub(super) struct SentHere<'a> {
    pub(super) me: &'a Me,
    pub(super) sending: &'a mut Sending,
}

impl SentHere<'_> {
    pub(super) fn region(&self) -> &RegionName {
        &self.me.region
    }

    /// Whether an entry is the copy of something that this session sent. Each is told once.
    pub(super) fn is_own_copy(&mut self, entry: &Entry) -> bool {
        self.sending.is_own_copy(self.me, entry)
    }
}
