//! What each frame of a gateway means to a client: a part of [`Core`], which drives it.

use dunlin_schema::{
    Code, CursorText, LogName, Millis, Open, Seq,
    frame::{AnswerFrame, EntryFrame, ServerFrame},
    presence::Presence,
};

use super::{
    Accepted, Core, Link,
    clock::Now,
    history::Delivered,
    inbox::Verdict,
    outbox::RequestId,
    words::{Notification, Output, Receipt},
};
use crate::error::{Lost, SendError};

impl Core {
    pub(super) fn frame(&mut self, now: Now, frame: ServerFrame, outputs: &mut Vec<Output>) {
        if let Link::Resting { .. } | Link::Over = self.link {
            // What was on its way over a connection that was let go of.
            return;
        }
        self.heard(now.steady);
        match frame {
            ServerFrame::Welcome { user, device, region, server_time, limits: _ } => {
                let gateway = self.gateway;
                self.outbox.welcomed(region.clone());
                self.welcomed(now, server_time, Notification::Connected { gateway, user, device, region }, outputs);
            }
            ServerFrame::Goodbye(goodbye) => {
                outputs.push(Output::HangUp);
                self.lost(now.steady, Lost::Goodbye(goodbye), outputs);
            }
            ServerFrame::Answer(AnswerFrame { reference, what }) => {
                let answered = self.asks.answered(reference, what);
                outputs.extend(answered.map(|(request, answer)| Output::Answered(request, answer)));
            }
            ServerFrame::Refused { reference: Some(reference), code, message, retry_after } => {
                let refused = self.asks.refused(reference, code, message, retry_after);
                outputs.extend(refused.map(|(request, refusal)| Output::Answered(request, refusal)));
            }
            ServerFrame::Refused { reference: None, code, message, retry_after: _ } => {
                outputs.push(Output::Notify(Notification::Refused { code, message }));
            }
            ServerFrame::Signal { from, kind } => {
                self.signal(Notification::Signal { from, kind, group: None }, outputs);
            }
            ServerFrame::GroupSignal { group, from, kind } => {
                self.signal(Notification::Signal { from, kind, group: Some(group) }, outputs);
            }
            ServerFrame::Presence { user, state, last_seen } => {
                self.presence(user, Presence { state, last_seen }, outputs);
            }
            ServerFrame::Accepted { id, order, time } => {
                let server_now = self.server_now(now);
                let settled = self.outbox.accepted(server_now, Accepted { id, order, time });
                outputs.extend(settled.map(|(request, outcome)| Output::Settle(request, outcome)));
            }
            ServerFrame::Rejected { id, code, message, retry_after } => {
                let settled = self.rejected(now.steady, &id, code, message, retry_after);
                outputs.extend(settled.map(|(request, outcome)| Output::Settle(request, outcome)));
            }
            ServerFrame::Entry(_)
            | ServerFrame::Gap { .. }
            | ServerFrame::CaughtUp { .. }
            | ServerFrame::Receipt { .. }
            | ServerFrame::Marked { .. }
                if self.behind || !self.room =>
            {
                // It comes again over the next connection, which resumes after what was given.
                self.behind = true;
            }
            ServerFrame::Receipt { by, to, order, delivered, read, of, time, since, missing } => {
                self.receipt(Receipt { by, to, order, delivered, read, of, time, since, missing }, outputs);
            }
            ServerFrame::Marked { with, read } => {
                if let Open::Known(with) = &with {
                    self.reads.marked(with, read);
                }
                outputs.push(Output::Notify(Notification::Marked { with, read }));
            }
            ServerFrame::Entry(entry) => self.entry(entry, outputs),
            ServerFrame::Gap { log, from, to, cursor } => self.gap(now, log, (from, to), cursor, outputs),
            ServerFrame::CaughtUp { log, seq, cursor } => self.caught_up(log, seq, cursor, outputs),
        }
    }

    /// It tells of this moment: later it is of no use.
    fn signal(&self, signal: Notification, outputs: &mut Vec<Output>) {
        if self.room {
            outputs.push(Output::Notify(signal));
        }
    }

    fn receipt(&mut self, receipt: Receipt, outputs: &mut Vec<Output>) {
        if let Receipt { to: Open::Known(to), delivered: Some(upto), since: Some(since), time, missing, .. } = &receipt
        {
            let (upto, missing) = (Seq(*upto), missing.clone());
            self.outbox.delivered(to.clone(), Delivered { upto, missing, since: *since, time: *time });
        }
        outputs.push(Output::Notify(Notification::Receipt(receipt)));
    }

    fn rejected(
        &mut self,
        now: Millis,
        id: &str,
        code: Open<Code>,
        message: String,
        retry_after: Option<Millis>,
    ) -> Option<(RequestId, Result<Accepted, SendError>)> {
        // An id that is none is none of ours.
        let id = id.parse().ok()?;
        self.outbox.rejected(now, id, code, message, retry_after)
    }

    fn entry(&mut self, entry: Box<EntryFrame>, outputs: &mut Vec<Output>) {
        match self.inbox.entry(&entry) {
            Verdict::Give(place) => outputs.push(Output::Notify(Notification::Entry(entry, place))),
            Verdict::Skip(place) => outputs.push(Output::Skip(place)),
            Verdict::Known => {}
        }
    }

    fn gap(
        &mut self,
        now: Now,
        log: Open<LogName>,
        (from, to): (Millis, Millis),
        cursor: CursorText,
        outputs: &mut Vec<Output>,
    ) {
        let place = self.inbox.gap(&log, cursor);
        outputs.push(match log {
            Open::Known(log) => Output::Notify(Notification::Gap { log, from, to, place }),
            Open::Unknown(_) => Output::Skip(place),
        });
        self.outbox.gap(self.server_now(now));
    }

    /// The gateway's time, as far as it is known.
    pub(super) fn server_now(&self, now: Now) -> Millis {
        self.clocks.server_time(now).unwrap_or(now.wall)
    }

    fn caught_up(&mut self, log: Open<LogName>, seq: Seq, cursor: CursorText, outputs: &mut Vec<Output>) {
        let place = self.inbox.caught_up(&log, seq, cursor);
        outputs.push(match log {
            Open::Known(log) => Output::Notify(Notification::CaughtUp { log, seq, place }),
            Open::Unknown(_) => Output::Skip(place),
        });
    }
}
