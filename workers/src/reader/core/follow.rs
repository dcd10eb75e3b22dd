//! Readers that follow: they go by the epoch that the deliver reader's record names.

use dunlin_schema::{Epoch, Millis, Position, Seq};

use super::{CONFIRM_AFTER, Claim, Compared, Epochs, Event, Output, Phase, Reader, Resume};

impl Reader {
    /// Behind which position a reader that follows goes on.
    pub(super) fn resumes_at(&self, resume: Resume) -> Position {
        match (resume, &self.phase) {
            (Resume::Saved, Phase::Taking(found)) => {
                found.as_ref().map_or_else(Position::default, |found| found.position)
            }
            (Resume::Saved | Resume::Projected(_), _) => self.position,
        }
    }

    fn is_projection(&self) -> bool {
        matches!(self.setup.epochs, Epochs::Follows(Resume::Projected(_)))
    }

    /// Asks which epoch holds, as often as the lease is renewed.
    pub(super) fn ask_epoch(&mut self, out: &mut Vec<Output>) {
        let follows = matches!(self.setup.epochs, Epochs::Follows(_));
        if follows && self.phase == Phase::Reading && !self.asking_epoch {
            self.asking_epoch = true;
            out.push(Output::AskEpoch);
        }
    }

    /// Nothing more is read under an epoch that is over.
    pub(super) fn epoch_seen(&mut self, epoch: Option<Epoch>, out: &mut Vec<Output>) {
        self.asking_epoch = false;
        if self.phase == Phase::Reading && epoch.is_some_and(|epoch| epoch != self.position.epoch) {
            self.phase = Phase::Checking;
            self.compare(out);
        }
    }

    /// `of` was compared with the stream and with the epoch that holds.
    pub(super) fn follow(
        &mut self,
        now: Millis,
        of: Position,
        doubts: usize,
        compared: Compared,
        out: &mut Vec<Output>,
    ) {
        let Compared { last, time, boot, epoch } = compared;
        let Some(epoch) = epoch else { return self.not_compared(now, doubts, out) };
        let unread = of.seq == Seq(0);
        let went_back = last < of.seq || (!unread && time.is_some_and(|time| time != of.time));
        let position = match (epoch == of.epoch, went_back) {
            (true, false) if self.is_owner() => {
                self.doubtful = false;
                return self.read_on(doubts, out);
            }
            (true, false) => of,
            // The deliver reader is about to begin an epoch, if it had come as far.
            (true, true) if !self.doubtful => {
                self.doubtful = true;
                if self.phase == Phase::Reading {
                    self.phase = Phase::Checking;
                }
                self.compare_at = Some(now.plus(CONFIRM_AFTER));
                return;
            }
            // What a projection of its own has taken in is there. STATE may have gone back with the epoch, less far or further than the
            // log, and what was written last of it is worth no more than what was lost.
            (false, false) if self.is_projection() && (unread || time == Some(of.time)) => {
                out.push(Output::Event(Event::EpochFollowed { epoch, anew: false }));
                Position { epoch, ..of }
            }
            (true | false, true | false) => {
                out.push(Output::Event(Event::EpochFollowed { epoch, anew: true }));
                Position { epoch, ..Position::default() }
            }
        };
        self.doubtful = false;
        let record = self.ownership.record(position, &boot);
        self.claim_with(now, Claim { record, because: None }, out);
    }
}
