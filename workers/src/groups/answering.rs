//! One request: a repeat gets its first answer, what is new is decided and stored behind the entry that was folded last.
//!
//! What may be stored is never refused, and what was refused is never stored: a refusal is said by what the leader has, and only by the
//! worker that has the shard.

use std::collections::HashMap;

use dunlin_nats::{Hold, append::core::PublishFailure};
use dunlin_schema::{
    Address, Content, Entry, MessageId, Millis, Sender, Seq, StreamTime, UserName,
    entry::Body,
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRequest},
    limits,
};
use tokio::time::{Duration, Instant, sleep};

use super::{
    Shared,
    core::{Decision, Facts, Meaning},
    links::{self, Made},
    loaded::{LoadError, Loaded},
    room, willing,
};
use crate::clock;

/// The pause before something is tried again that nobody answered.
const AGAIN: Duration = Duration::from_millis(100);
/// How often it is looked how far STATE is, in entries that it may be behind.
const LOOK_EVERY: usize = 128;

/// What follows from a try.
enum Next {
    Answer(GroupAnswer),
    /// Something is known now that was not: it is decided again.
    Again,
    /// Nobody answered, or the group is not what it was taken for.
    Later(LoadError),
}

impl From<LoadError> for Next {
    fn from(error: LoadError) -> Next {
        Next::Later(error)
    }
}

/// Answers a request; `None` where the shard is not ours to answer for. The group stays loaded where it is known as it is.
pub(super) async fn answer(
    shared: &Shared,
    loaded: &mut Option<Loaded>,
    request: &GroupRequest,
) -> Option<GroupAnswer> {
    if request.id.time() > clock::now().plus(limits::CLOCK_SKEW) {
        return Some(GroupAnswer::Refused(GroupRefusal::FromTheFuture));
    }
    let until = Instant::now() + Duration::from_millis(limits::APPEND_FOR.0);
    // Of what was stored before nothing else is taken again.
    let must_know = matches!(request.what, GroupCommand::Join(_));
    let mut asked = Asked {
        shared,
        request,
        is_news: false,
        must_know,
        doubt: None,
        authors: None,
        willing: HashMap::new(),
        is_let_in: false,
        is_counted: false,
    };
    while Instant::now() < until {
        let next = asked.try_once(loaded).await.unwrap_or_else(|next| next);
        if !shared.lease.holds() {
            return None;
        }
        match next {
            Next::Answer(answer) => return Some(asked.without_doubt(answer)),
            Next::Again => {}
            Next::Later(error) => {
                tracing::debug!(shard = %shared.shard, group = %request.group, %error, "a request waits");
                if matches!(error, LoadError::OtherLog) {
                    *loaded = None;
                }
                sleep(AGAIN).await;
            }
        }
    }
    Some(asked.without_doubt(GroupAnswer::Refused(GroupRefusal::Busy)))
}

/// A request, and what is known of its fate.
struct Asked<'a> {
    shared: &'a Shared,
    request: &'a GroupRequest,
    /// Whether the group was read up to the log's end since it was asked.
    is_news: bool,
    /// Whether it has to be known that it was not stored before.
    must_know: bool,
    /// Behind which sequence it may be stored, or may yet be.
    doubt: Option<Seq>,
    /// Who has written what it is about.
    authors: Option<Vec<Sender>>,
    /// Of whom it was asked, whether they let whoever wants it add them.
    willing: HashMap<UserName, bool>,
    /// Whether a use of a link was taken for it.
    is_let_in: bool,
    /// Whether it is counted among what is said in the group.
    is_counted: bool,
}

impl Asked<'_> {
    /// What may be stored is not refused.
    fn without_doubt(&self, answer: GroupAnswer) -> GroupAnswer {
        match (answer, self.doubt) {
            (GroupAnswer::Refused(_), Some(_)) => GroupAnswer::Unknown,
            (answer, _) => answer,
        }
    }

    async fn try_once(&mut self, loaded: &mut Option<Loaded>) -> Result<Next, Next> {
        let (shared, request) = (self.shared, self.request);
        let hold = shared.appender.hold(limits::PUBLISH_TIMEOUT).await;
        let hold = hold.ok_or(LoadError::Log(dunlin_nats::ReadError::Unanswered))?;
        let group = match loaded {
            Some(group) if group.seen_over == hold.number() => group,
            Some(group) => {
                self.read_on(group).await?;
                group
            }
            None => {
                shared.metrics.loaded.inc();
                let group = loaded.insert(Loaded::load(shared, &request.group).await?);
                self.has_read(group);
                group
            }
        };
        group.seen_over = hold.number();
        // JetStream drops a repeat of what is so young: only what is not to be stored has to be looked for.
        let is_fresh = hold.window_whole() && clock::now().since(request.id.time()) < limits::FRESH_FOR;
        let is_known = self.knows(group, request.id, self.must_know || !is_fresh).await?;
        if let Some(said) = group.known.said(&request.by, request.id) {
            return Ok(Next::Answer(GroupAnswer::Stored { order: said.order, time: said.time }));
        }
        if !is_known && (self.must_know || !is_fresh) {
            return Ok(Next::Answer(GroupAnswer::Refused(GroupRefusal::TooOld)));
        }
        let mut decided = self.decide(group).await?;
        if let Ok(Decision::Find(target)) = decided {
            let is_known = self.knows(group, target, true).await?;
            self.authors = Some(if is_known { group.known.authors(target) } else { Vec::new() });
            decided = self.decide(group).await?;
        }
        if let Ok(Decision::Ask(users)) = decided {
            self.willing.extend(willing::of(shared, &request.by, users).await?);
            decided = self.decide(group).await?;
        }
        match decided {
            Ok(Decision::Store(content)) => self.store(group, &hold, request.id, content).await,
            Ok(Decision::Find(_) | Decision::Ask(_)) => Ok(Next::Again),
            // Another worker may have stored what makes it possible, or needed.
            Ok(Decision::Nothing | Decision::StoreFirst(_) | Decision::Links { .. }) | Err(_)
                if !self.is_news || !is_known =>
            {
                if !self.is_news {
                    self.read_on(group).await?;
                }
                self.must_know = true;
                Ok(Next::Again)
            }
            Ok(Decision::StoreFirst(content)) => {
                let id = MessageId::from_parts(request.at, rand::random());
                match self.store(group, &hold, id, content).await? {
                    Next::Answer(GroupAnswer::Stored { .. }) => Ok(Next::Again),
                    next @ (Next::Answer(_) | Next::Again | Next::Later(_)) => Ok(next),
                }
            }
            Ok(Decision::Links { all }) => self.links(all).await,
            Ok(Decision::Nothing) => Ok(Next::Answer(GroupAnswer::Stored { order: Seq(0), time: request.at })),
            Err(refusal) => Ok(Next::Answer(GroupAnswer::Refused(refusal))),
        }
    }

    /// Decides by what is known of the group. Whoever has no link that holds is told nothing else of it.
    async fn decide(&self, group: &Loaded) -> Result<Result<Decision, GroupRefusal>, LoadError> {
        let facts = Facts { authors: self.authors.as_deref(), willing: Some(&self.willing) };
        let decided = group.group.decide(self.request, facts);
        let GroupCommand::Join(key) = &self.request.what else { return Ok(decided) };
        if decided == Ok(Decision::Nothing) || self.is_let_in {
            return Ok(decided);
        }
        let holds = links::holds(self.shared, &self.request.group, key).await?;
        Ok(if holds { decided } else { Err(GroupRefusal::NoLink) })
    }

    /// Changes links: those of others too, where `all` are to be changed.
    async fn links(&self, all: bool) -> Result<Next, Next> {
        let (shared, GroupRequest { group, by, id, at, what }) = (self.shared, self.request);
        let changed = match what {
            GroupCommand::Link { key, until, uses } => {
                let made = Made { by: &by.user, id: *id, key: *key, until: *until, uses: *uses };
                links::make(shared, group, made).await?
            }
            GroupCommand::Unlink(key) => links::revoke(shared, group, key.as_ref(), &by.user, all).await?,
            GroupCommand::Create { .. }
            | GroupCommand::Add(_)
            | GroupCommand::Remove(_)
            | GroupCommand::Leave
            | GroupCommand::Role { .. }
            | GroupCommand::Set { .. }
            | GroupCommand::Delete
            | GroupCommand::Say(_)
            | GroupCommand::Join(_) => Ok(()),
        };
        Ok(Next::Answer(match changed {
            Ok(()) => GroupAnswer::Stored { order: Seq(0), time: *at },
            Err(refusal) => GroupAnswer::Refused(refusal),
        }))
    }

    /// Reads up to the log's end.
    async fn read_on(&mut self, group: &mut Loaded) -> Result<(), LoadError> {
        group.read_on(self.shared).await?;
        self.has_read(group);
        Ok(())
    }

    /// What was given up behind another end is never stored.
    fn has_read(&mut self, group: &Loaded) {
        self.is_news = true;
        self.authors = None;
        self.doubt = self.doubt.filter(|behind| group.end() <= *behind);
    }

    /// Whether all is known that may have been stored under an id; where it is not, the log is read for it if it `must` be.
    async fn knows(&self, group: &mut Loaded, id: MessageId, must: bool) -> Result<bool, LoadError> {
        let since = id.time().minus(limits::LATE_MARGIN);
        if clock::now().since(since) >= limits::RETENTION.minus(limits::RETENTION_SLACK) {
            return Ok(false);
        }
        let since = StreamTime::from(since);
        if must && !group.known.covers(since) {
            self.shared.metrics.looks_back.inc();
            group.look_back(self.shared, since).await?;
        }
        Ok(group.known.covers(since))
    }

    /// What is answered where the stream has dropped a repeat: what stands where it says.
    async fn repeated(&mut self, group: &mut Loaded, order: Seq) -> Result<Next, Next> {
        let GroupRequest { by, id, at, .. } = self.request;
        self.read_on(group).await?;
        if let Some(said) = group.known.said(by, *id) {
            return Ok(Next::Answer(GroupAnswer::Stored { order: said.order, time: said.time }));
        }
        let found = self.shared.reads.entry(group.log(), order).await.map_err(LoadError::from)?;
        match found.map(|found| Entry::decode(&found.payload)) {
            // It was evicted or erased since.
            None => Ok(Next::Answer(GroupAnswer::Stored { order, time: *at })),
            Some(Ok(entry)) if entry.item() == (by, *id) => {
                Ok(Next::Answer(GroupAnswer::Stored { order, time: entry.time }))
            }
            Some(_) => Err(LoadError::OtherLog.into()),
        }
    }

    async fn store(&mut self, group: &mut Loaded, hold: &Hold, id: MessageId, content: Content) -> Result<Next, Next> {
        let (shared, GroupRequest { by, at, .. }) = (self.shared, self.request);
        if is_too_far(group) || (group.ahead() > 0 && group.ahead().is_multiple_of(LOOK_EVERY)) {
            group.learn_applied(shared, &self.request.group).await?;
            if is_too_far(group) {
                return Ok(Next::Answer(GroupAnswer::Refused(GroupRefusal::Busy)));
            }
        }
        if matches!(self.request.what, GroupCommand::Say(_)) && !self.is_counted {
            if let Err(after) = group.pace.take(clock::now(), &shared.limits) {
                return Ok(Next::Answer(GroupAnswer::Refused(GroupRefusal::TooFast(after))));
            }
            self.is_counted = true;
        }
        let to = Address::from(group.group.address());
        let entry = Entry { id, from: by.clone(), to, order: None, time: *at, body: Body::Content(content) };
        if !room::for_all(shared, Meaning::of(&entry).joining()).await? {
            return Ok(Next::Answer(GroupAnswer::Refused(GroupRefusal::TooManyGroups)));
        }
        if !shared.lease.holds() {
            return Ok(Next::Again);
        }
        if let GroupCommand::Join(key) = &self.request.what
            && !self.is_let_in
        {
            self.is_let_in = links::take(shared, &self.request.group, key).await?;
            if !self.is_let_in {
                return Ok(Next::Answer(GroupAnswer::Refused(GroupRefusal::NoLink)));
            }
        }
        match hold.append(group.log(), &entry, group.end()).await {
            Ok(stored) if !stored.duplicate => {
                group.append(stored.seq, stored_by(), &entry);
                Ok(Next::Answer(GroupAnswer::Stored { order: stored.seq, time: *at }))
            }
            Ok(stored) => self.repeated(group, stored.seq).await,
            Err(PublishFailure::Conflict) => {
                shared.metrics.conflicts.inc();
                self.read_on(group).await?;
                Ok(Next::Again)
            }
            Err(PublishFailure::Full) => Ok(Next::Answer(GroupAnswer::Refused(GroupRefusal::Busy))),
            Err(PublishFailure::TooLarge) => Ok(Next::Answer(GroupAnswer::Refused(GroupRefusal::TooLarge))),
            Err(PublishFailure::Unknown) => {
                self.doubt = Some(group.end());
                group.seen_over = 0;
                sleep(AGAIN).await;
                Ok(Next::Again)
            }
        }
    }
}

fn is_too_far(group: &Loaded) -> bool {
    group.ahead() as u64 >= limits::GROUP_AHEAD
}

/// By when what was just acknowledged was stored, whoever's clock says so.
fn stored_by() -> StreamTime {
    StreamTime::from(clock::now().plus(Millis(limits::CLOCK_SKEW.0)))
}
