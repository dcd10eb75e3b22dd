//! What somebody may read of a group's log is looked up before any of it is given, and again behind each gap: an entry that says who may
//! read on may be missing too.

use super::{
    ASK_AGAIN, Around, Follow,
    mode::{Doubt, FirstWord, Footing, Look, Mode, Plan, Then, WaitsFor},
};
use crate::session::{ReadFailed, reach::Sight};
use dunlin_schema::{Position, Seq};

impl Follow {
    /// Looks up the windows, and goes on then.
    pub(super) fn look(&mut self, then: Then, around: &mut Around<'_>) {
        let look = Look::Asked(around.wants.look());
        self.mode = Mode::Looking { then, look };
    }

    /// What was looked up under a number.
    pub(in crate::session) fn looked(
        &mut self,
        number: u32,
        answer: Result<Sight, ReadFailed>,
        around: &mut Around<'_>,
    ) {
        let Mode::Looking { then, look } = &mut self.mode else { return };
        if *look != Look::Asked(number) {
            return;
        }
        let then = *then;
        let Ok(sight) = answer else {
            *look = Look::AskAt(around.now.plus(ASK_AGAIN));
            return;
        };
        let upto = sight.upto;
        // What is stored from now on lies behind that place, and must not be taken for something that was given.
        for cursor in [&mut self.sent, &mut self.given] {
            if cursor.position.seq == Seq(0) {
                cursor.position.time = cursor.position.time.min(upto.time);
            }
        }
        around.reach.looked(sight);
        match then {
            // A gap follows, and another look behind it.
            Then::Read(plan @ Plan { footing: Footing::OtherEpoch | Footing::Time, .. }) => self.go_on(plan, around),
            // The log ends below: it went back, or the cursor is forged.
            Then::Read(Plan { carried, .. }) | Then::Settle(carried) if self.given.position.seq > upto.seq => {
                self.doubt(Doubt::Entry, carried, around);
            }
            Then::Read(_) | Then::Settle(_) if self.ends(around) => {}
            Then::Read(plan) => self.go_on(plan, around),
            // What came meanwhile was heard of, and not given.
            Then::Settle(carried) if self.heard > self.given.position.seq => {
                self.go_on(self.plan(Footing::Given, false, carried), around);
            }
            Then::Settle(carried) => self.settle(carried, None, around),
        }
    }

    /// The person's memberships have changed. What is about to end may go on: the windows are looked up again.
    pub(in crate::session) fn may_read_on(&mut self, around: &mut Around<'_>) {
        match &mut self.mode {
            Mode::Looking { then, .. } => {
                let then = *then;
                self.look(then, around);
            }
            Mode::Reading { waits_for, .. } if around.reach.is_closed() => {
                around.reach.doubt();
                // What is under way is of what could be read before.
                if let WaitsFor::Answer(_) = waits_for {
                    *waits_for = WaitsFor::FormerAnswer;
                }
            }
            Mode::Opening { .. } if around.reach.is_closed() => around.reach.doubt(),
            Mode::Opening { .. } | Mode::Live | Mode::Reading { .. } | Mode::Ended | Mode::Doubting { .. } => {}
        }
    }

    /// Nothing more is given where nothing more may be read. Returns whether that is so.
    pub(super) fn ends(&mut self, around: &mut Around<'_>) -> bool {
        let ends = around.reach.ends_at(self.given.position.seq);
        if ends {
            self.end(around);
        }
        ends
    }

    /// Nothing more is given.
    pub(super) fn end(&mut self, around: &mut Around<'_>) {
        self.mode = Mode::Ended;
        around.wants.ended(self.given.position);
    }

    /// Whether nothing more is given.
    pub(in crate::session) fn has_ended(&self) -> bool {
        matches!(self.mode, Mode::Ended)
    }

    /// The log is followed anew, from where it stands.
    pub(in crate::session) fn begin_again(&mut self) {
        self.epoch = self.given.position.epoch;
        self.confirmed = false;
        self.heard = Seq(0);
        self.covers = Position::default();
        self.unanswered = 0;
        self.mode = Mode::Opening { live_only: false, word: FirstWord::NoInterest };
    }
}
