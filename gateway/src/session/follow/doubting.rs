//! What becomes of a doubt: the reader compares itself with the stream, and its word decides how the log goes on.

use dunlin_schema::Position;

use super::{
    ASK_AGAIN, Around, Follow,
    mode::{Carried, Doubt, Footing, Held, Mode, Plan, Verdict},
    proof::Proof,
};
use crate::session::NoAnswer;

impl Follow {
    pub(super) fn doubt(&mut self, why: Doubt, carried: Carried, around: &mut Around<'_>) {
        let verdict = self.verify(around);
        self.mode = Mode::Doubting { why, verdict, carried };
    }

    /// Asks the reader for the same doubt again.
    pub(super) fn verify_again(&mut self, around: &mut Around<'_>) {
        let again = self.verify(around);
        if let Mode::Doubting { verdict, .. } = &mut self.mode {
            *verdict = again;
        }
    }

    fn verify(&self, around: &mut Around<'_>) -> Verdict {
        if around.wants.verify(self.given.position) { Verdict::Asked } else { Verdict::AskedBefore }
    }

    /// The reader compared itself with the stream, or did not answer.
    pub(in crate::session) fn verified(&mut self, answer: Result<Position, NoAnswer>, around: &mut Around<'_>) {
        let Mode::Doubting { why, verdict, carried } = &mut self.mode else { return };
        if *verdict != Verdict::Asked {
            return self.verify_again(around);
        }
        match answer {
            Ok(position) if position.epoch > self.epoch => self.new_epoch(position, position.seq, around),
            Ok(position) if position.epoch < self.epoch && !self.confirmed => {
                self.new_epoch(position, position.seq, around)
            }
            Ok(position) if position.epoch == self.epoch => {
                let (why, carried) = (why.clone(), *carried);
                self.confirmed = true;
                self.cleared(why, carried, position, around);
            }
            // No answer, or one of a reader that has not noticed yet that it is replaced.
            Ok(_) | Err(NoAnswer) => *verdict = Verdict::AskAt(around.now.plus(ASK_AGAIN)),
        }
    }

    /// The log did not go back: the reader, which stands at `position`, is still in this epoch.
    fn cleared(&mut self, why: Doubt, carried: Carried, position: Position, around: &mut Around<'_>) {
        match why {
            Doubt::Epoch => {
                self.hear(position.seq, position);
                self.read(Footing::Given, false, around);
            }
            // A cursor alone makes no epoch: it may be forged. This device is told of a gap, nobody else.
            Doubt::Entry => {
                self.hear(position.seq, position);
                self.read(Footing::Time, false, around);
            }
            // The reader compared after what is held was read.
            Doubt::Erased(held) => {
                let Held { answer, plan, as_of } = &*held;
                self.go_through(Proof::Complete, *plan, *as_of, answer, around);
            }
            Doubt::End => {
                let (footing, source) = self.footing(Footing::Given);
                // What was known of the stream's end may be lost with it.
                if position.seq < self.covers.seq {
                    self.covers = position;
                }
                self.fail(Plan { source, footing, to_the_end: true, carried }, around);
            }
        }
    }
}
