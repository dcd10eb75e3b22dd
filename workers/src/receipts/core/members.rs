//! How the marks of a group's members rise, and those of its senders. Both only rise within an epoch of the group's log, so what is said
//! twice, late or in another order changes nothing.
//!
//! **An acknowledgement covers the run of entries that its device was given**: from where that began up to where it stands. A device that
//! begins live says nothing of what was before. Of a member's devices together, what any of them has counts as delivered.

use dunlin_schema::{
    Cursor, DeviceName, Epoch, Millis, Seq, Span, UserName,
    counts::{GroupCount, GroupDevice, GroupMarks, GroupSentMarks, MemberMarks},
    limits,
    record::{GroupAck, GroupRead},
};

use super::is_higher;

/// What is said of a group's members: each of their devices, and each of them.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// What devices have.
    pub acks: Vec<GroupAck>,
    /// What members have read.
    pub reads: Vec<GroupRead>,
}

/// What must be stored of a part of a group's members; `None` when all of it is stored already. Of those who are `unknown` as members
/// nothing is kept.
pub fn risen(stored: &GroupMarks, said: &Said, is_unknown: impl Fn(&UserName) -> bool) -> Option<GroupMarks> {
    let mut marks = stored.clone();
    for GroupAck { user, device, cursor, opened } in &said.acks {
        marks.members.entry(user.clone()).or_default().acknowledged(device, *cursor, *opened);
    }
    for GroupRead { user, epoch, upto } in &said.reads {
        marks.members.entry(user.clone()).or_default().has_read(*epoch, *upto);
    }
    if marks == *stored {
        return None;
    }
    marks.members.retain(|user, _| !is_unknown(user));
    (marks != *stored).then_some(marks)
}

/// How the marks of one member rise.
trait Rise {
    fn acknowledged(&mut self, device: &DeviceName, cursor: Cursor, opened: Millis);
    fn has_read(&mut self, epoch: Epoch, upto: Seq);
    fn reach(&mut self, epoch: Epoch) -> bool;
}

impl Rise for MemberMarks {
    fn acknowledged(&mut self, device: &DeviceName, cursor: Cursor, opened: Millis) {
        if self.reach(cursor.position.epoch) {
            self.given.add(Span { above: cursor.began, upto: cursor.position.seq });
            self.given.keep_highest(limits::GROUP_MARK_SPANS);
        }
        match self.devices.iter_mut().find(|known| known.device == *device) {
            // The newest connection counts: the device may have been removed since an older one, and begin anew.
            Some(known) if known.opened > opened => {}
            Some(known) if known.opened == opened && !is_higher(cursor, known.cursor) => {}
            Some(known) => (known.cursor, known.opened) = (cursor, opened),
            None => self.devices.push(GroupDevice { device: device.clone(), cursor, opened }),
        }
        if self.devices.len() > limits::DEVICES {
            let oldest = (0..self.devices.len()).min_by_key(|at| self.devices[*at].opened);
            oldest.into_iter().for_each(|at| drop(self.devices.remove(at)));
        }
    }

    fn has_read(&mut self, epoch: Epoch, upto: Seq) {
        if self.reach(epoch) {
            self.read = self.read.max(upto);
        }
    }

    /// Whether what is said in this epoch counts. In a newer one all begins anew.
    fn reach(&mut self, epoch: Epoch) -> bool {
        if epoch > self.epoch {
            let devices = std::mem::take(&mut self.devices);
            *self = MemberMarks { epoch, devices, ..MemberMarks::default() };
        }
        epoch == self.epoch
    }
}

/// To how many members something has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Members that have it.
    pub delivered: u32,
    /// Members that have read it.
    pub read: u32,
    /// Members that may read it.
    pub of: u32,
}

/// What must be stored of somebody's messages to a group, of which these were counted; `None` where nothing rises. What came to nobody yet
/// is nothing to tell.
pub fn counted(stored: &GroupSentMarks, epoch: Epoch, counts: &[(Seq, Count)], now: Millis) -> Option<GroupSentMarks> {
    if epoch < stored.epoch {
        return None;
    }
    let anew = || GroupSentMarks { epoch, ..GroupSentMarks::default() };
    let mut marks = if epoch == stored.epoch { stored.clone() } else { anew() };
    let mut rises = false;
    for (order, count) in counts.iter().filter(|(_, count)| count.delivered > 0) {
        let at = marks.messages.partition_point(|known| known.order < *order);
        if marks.messages.get(at).is_none_or(|known| known.order != *order) {
            marks.messages.insert(at, GroupCount { order: *order, delivered: 0, read: 0, of: 0, time: now });
        }
        let known = &mut marks.messages[at];
        let (delivered, read, of) =
            (known.delivered.max(count.delivered), known.read.max(count.read), known.of.max(count.of));
        if (delivered, read, of) != (known.delivered, known.read, known.of) {
            rises = true;
            // Another worker's clock may be ahead.
            *known = GroupCount { order: *order, delivered, read, of, time: known.time.max(now) };
        }
    }
    let surplus = marks.messages.len().saturating_sub(limits::GROUP_SENT_COUNTED);
    marks.messages.drain(..surplus);
    (rises && marks != *stored).then_some(marks)
}

/// Those of what is stored now that say something else than what was stored before.
pub fn news<'a>(before: &'a GroupSentMarks, now: &'a GroupSentMarks) -> impl Iterator<Item = &'a GroupCount> {
    now.messages.iter().filter(|count| before.epoch != now.epoch || !before.messages.contains(count))
}

#[cfg(test)]
mod tests;
