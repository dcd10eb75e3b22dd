//! How many members of a group have its last messages, and who has one: out of what STATE says of each member, and of the log's last
//! messages. No count is kept and added to: each is made anew of all members, in one pass over them.
//!
//! **Who counts**: of a message, every member who may read it by their windows, be they gone since, but not who sent it. What somebody read
//! was delivered to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dunlin_schema::{
    Epoch, Seq, Span, Spans, UserName, Windows,
    counts::{GroupMarks, MemberReached, MembersPage},
    limits,
};

use super::members::Count;

/// What is known of a group.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    epoch: Epoch,
    members: BTreeMap<UserName, Member>,
    messages: VecDeque<(Seq, UserName)>,
    /// The last entry of the log that was seen.
    end: Seq,
}

#[derive(Clone, Debug, Default)]
struct Member {
    windows: Windows,
    epoch: Epoch,
    given: Spans,
    read: Seq,
}

impl Member {
    /// What of the log the member has, and what they have read of it, as far as they may.
    fn has(&self, epoch: Epoch) -> Option<(&Spans, Span)> {
        (self.epoch == epoch).then_some((&self.given, Span { above: Seq(0), upto: self.read }))
    }

    fn reached(&self, order: Seq, epoch: Epoch) -> (bool, bool) {
        self.has(epoch).map_or((false, false), |(given, read)| {
            let is_read = read.holds(order);
            (is_read || given.holds(order), is_read)
        })
    }
}

impl Tally {
    /// The log is in this epoch, or a later one. In a new one messages are to be told again: orders begin anew.
    pub fn epoch(&mut self, epoch: Epoch) {
        if epoch > self.epoch {
            (self.epoch, self.end) = (epoch, Seq(0));
            self.messages.clear();
        }
    }

    /// The epoch that counts.
    pub fn in_epoch(&self) -> Epoch {
        self.epoch
    }

    /// What somebody may read, be they a member or not any more.
    pub fn member(&mut self, user: UserName, windows: Windows) {
        self.members.entry(user).or_default().windows = windows;
    }

    /// What is stored of some of the members.
    pub fn marks(&mut self, marks: GroupMarks) {
        for (user, marks) in marks.members {
            self.epoch(marks.epoch);
            let member = self.members.entry(user).or_default();
            (member.epoch, member.given, member.read) = (marks.epoch, marks.given, marks.read);
        }
    }

    /// An entry of the log, which is a message of somebody's, or nothing that is counted. Entries come in their order.
    pub fn entry(&mut self, order: Seq, sender: Option<UserName>) {
        self.end = order;
        if let Some(sender) = sender {
            self.messages.push_back((order, sender));
            if self.messages.len() > limits::GROUP_COUNTED {
                self.messages.pop_front();
            }
        }
    }

    /// The last entry of the log that was seen.
    pub fn end(&self) -> Seq {
        self.end
    }

    /// How many people are known.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether somebody is, or was, a member.
    pub fn knows(&self, user: &UserName) -> bool {
        self.members.get(user).is_some_and(|member| member.windows.first().is_some())
    }

    /// Whether somebody is a member.
    pub fn has_member(&self, user: &UserName) -> bool {
        self.members.get(user).is_some_and(|member| member.windows.are_open())
    }

    /// The last order up to this one that somebody may read, as far as the log goes.
    pub fn readable(&self, user: &UserName, upto: Seq) -> Option<Seq> {
        let upto = upto.min(self.end);
        let windows = self.members.get(user)?.windows.iter().filter(|window| window.from <= upto);
        windows.last().map(|window| window.until.map_or(upto, |until| upto.min(until)))
    }

    /// What each sender's last messages have come to, in the order of the log: of those who are members.
    pub fn counts(&self) -> BTreeMap<UserName, Vec<(Seq, Count)>> {
        let mut sums = Sums::new(&self.messages);
        let senders: BTreeSet<&UserName> = self.messages.iter().map(|(_, sender)| sender).collect();
        for (user, member) in &self.members {
            if senders.contains(user) {
                sums.add_one_by_one(user, member, self.epoch);
            } else {
                sums.add(member, self.epoch);
            }
        }
        let mut counts: BTreeMap<UserName, Vec<(Seq, Count)>> = BTreeMap::new();
        for ((order, sender), count) in self.messages.iter().zip(sums.counts()) {
            if self.has_member(sender) {
                counts.entry(sender.clone()).or_default().push((*order, count));
            }
        }
        counts
    }

    /// What a message has come to.
    pub fn count(&self, order: Seq, sender: &UserName) -> Count {
        let mut count = Count::default();
        for (user, member) in &self.members {
            if user != sender && member.windows.contain(order) {
                let (delivered, read) = member.reached(order, self.epoch);
                count.of += 1;
                count.delivered += u32::from(delivered);
                count.read += u32::from(read);
            }
        }
        count
    }

    /// Whom a message has come to, in the order of their names, and behind which more may follow.
    pub fn reached(&self, order: Seq, sender: &UserName, page: &MembersPage) -> (Vec<MemberReached>, Option<UserName>) {
        let behind = page.after.as_ref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let members = self.members.range::<UserName, _>((behind, std::ops::Bound::Unbounded));
        let mut able = members.filter(|(user, member)| *user != sender && member.windows.contain(order));
        let items = able.by_ref().take(page.limit.into()).map(|(user, member)| {
            let (delivered, read) = member.reached(order, self.epoch);
            MemberReached { user: user.clone(), delivered, read }
        });
        let items: Vec<_> = items.collect();
        let next = able.next().and(items.last()).map(|last| last.user.clone());
        (items, next)
    }
}

/// Counts of messages, as what each adds to the one before: so a member with a range of them costs two additions.
struct Sums<'a> {
    messages: &'a VecDeque<(Seq, UserName)>,
    steps: Vec<[i64; 3]>,
}

const DELIVERED: usize = 0;
const READ: usize = 1;
const OF: usize = 2;

impl<'a> Sums<'a> {
    fn new(messages: &'a VecDeque<(Seq, UserName)>) -> Sums<'a> {
        Sums { messages, steps: vec![[0; 3]; messages.len() + 1] }
    }

    /// A member who sent none of them.
    fn add(&mut self, member: &Member, epoch: Epoch) {
        let has = member.has(epoch);
        for window in member.windows.iter() {
            let window = Span { above: window.from.previous(), upto: window.until.unwrap_or(Seq::MAX) };
            self.range(OF, window);
            let Some((given, read)) = has else { continue };
            self.range(READ, read.within(window));
            self.range(DELIVERED, read.within(window));
            for more in given.iter().flat_map(|given| given.without(read)) {
                self.range(DELIVERED, more.within(window));
            }
        }
    }

    /// The same of one who sent some of them.
    fn add_one_by_one(&mut self, user: &UserName, member: &Member, epoch: Epoch) {
        for (at, (order, sender)) in self.messages.iter().enumerate() {
            if sender != user && member.windows.contain(*order) {
                let (delivered, read) = member.reached(*order, epoch);
                for (what, counts) in [(DELIVERED, delivered), (READ, read), (OF, true)] {
                    self.steps[at][what] += i64::from(counts);
                    self.steps[at + 1][what] -= i64::from(counts);
                }
            }
        }
    }

    fn range(&mut self, what: usize, span: Span) {
        if span.is_empty() {
            return;
        }
        let from = self.messages.partition_point(|(order, _)| *order <= span.above);
        let upto = self.messages.partition_point(|(order, _)| *order <= span.upto);
        self.steps[from][what] += 1;
        self.steps[upto][what] -= 1;
    }

    fn counts(self) -> impl Iterator<Item = Count> {
        let mut sums = [0_i64; 3];
        self.steps.into_iter().map(move |step| {
            sums.iter_mut().zip(step).for_each(|(sum, step)| *sum += step);
            let [delivered, read, of] = sums.map(|sum| u32::try_from(sum).unwrap_or_default());
            Count { delivered, read, of }
        })
    }
}

#[cfg(test)]
mod tests;
