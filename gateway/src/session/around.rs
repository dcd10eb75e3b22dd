//! The part of a session that the follower of one log borrows while it handles an input: the log's queue of frames, the reads and
//! questions it may begin, and whether an entry is one that this session sent itself.

use dunlin_schema::{Millis, Position, RegionName, limits::Bounds, read::ReadRequest};

use super::{
    Author, Output,
    asking::{Reads, Verifying},
    copies::Copies,
    named::Named,
    queue::{LogQueue, Share},
    reach::Reach,
    tail::SharedFrame,
};

/// What following a log may touch of the session around it.
pub(super) struct Around<'a> {
    pub(super) now: Millis,
    pub(super) bounds: &'a Bounds,
    pub(super) named: &'a Named,
    pub(super) queue: &'a mut LogQueue,
    /// What of the log may be given.
    pub(super) reach: &'a mut Reach,
    /// How much the queue may hold.
    pub(super) share: Share,
    pub(super) wants: Wants<'a>,
    pub(super) sent: SentHere<'a>,
}

/// What a log may want done.
pub(super) struct Wants<'a> {
    pub(super) named: &'a Named,
    pub(super) reads: &'a mut Reads,
    pub(super) verifying: &'a mut Verifying,
    /// How often windows were looked up.
    pub(super) looks: &'a mut u32,
    pub(super) out: &'a mut Vec<Output>,
}

impl Wants<'_> {
    /// Begins to read, where the session may have one more read under way. Returns whether it began.
    pub(super) fn read(&mut self, request: ReadRequest) -> bool {
        let begins = self.reads.begin(&self.named.log);
        if begins {
            self.out.push(Output::Read(self.named.log.clone(), request));
        }
        begins
    }

    /// Has the windows looked up. Returns the number of the question.
    pub(super) fn look(&mut self) -> u32 {
        *self.looks = self.looks.wrapping_add(1);
        self.out.push(Output::Look(self.named.log.clone(), *self.looks));
        *self.looks
    }

    /// Nothing more of the log is given.
    pub(super) fn ended(&mut self, at: Position) {
        self.out.push(Output::Ended(self.named.log.clone(), at));
    }

    pub(super) fn ask_heads(&mut self) {
        self.out.push(Output::AskHeads(self.named.log.clone()));
    }

    /// Asks the shard's reader to compare itself with the stream. Returns whether the question that is under way now is one that was
    /// asked for this doubt, and not an earlier one.
    pub(super) fn verify(&mut self, doubted: Position) -> bool {
        let shard = self.named.shard;
        if self.verifying.begins(shard) {
            self.out.push(Output::Verify(shard, doubted));
        }
        self.verifying.is_new(shard)
    }

    pub(super) fn corrupt(&mut self, position: Position) {
        self.out.push(Output::Corrupt(self.named.log.clone(), position));
    }

    pub(super) fn overflowed(&mut self) {
        self.out.push(Output::Overflowed(self.named.log.clone()));
    }
}

/// What the session itself has sent, whose copies its device need not see.
pub(super) struct SentHere<'a> {
    pub(super) me: &'a Author,
    /// `None` where it has sent nothing.
    pub(super) copies: Option<&'a mut Copies>,
}

impl SentHere<'_> {
    pub(super) fn region(&self) -> &RegionName {
        &self.me.region
    }

    /// Whether an entry is the copy of something that this session sent. Each is told once.
    pub(super) fn is_own_copy(&mut self, sent: &SharedFrame) -> bool {
        self.copies.as_mut().is_some_and(|copies| copies.is_own(self.me, sent))
    }
}
