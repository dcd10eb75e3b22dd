//! What back ends send over HTTP, in the name of any person: a [`Sending`] for each person of whom something is under way, with its lanes,
//! or of whom something was refused for now and is to come again.
//!
//! What was taken goes on until it is answered, also when whoever sent it hangs up: its steps run in tasks of their own, which a gateway
//! that goes away waits for.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use dunlin_schema::{Address, MessageId, UserName, limits};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use crate::{
    carrier, clock,
    config::SentCopies,
    region::Region,
    sending::{Answer, Author, Do, Input, Sending, Then},
};

/// People of whom nothing is under way, and of whom it is remembered what was refused for now. Of more, the one is forgotten who was the
/// first: what is about a message of theirs is then refused for good where that message was not sent again before.
const RESTING: usize = 256;

/// What is under way over HTTP.
pub(crate) struct Posts {
    region: Arc<Region>,
    sent_copies: SentCopies,
    people: Mutex<People>,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct People {
    by_name: HashMap<UserName, Person>,
    resting: VecDeque<UserName>,
}

impl People {
    /// Forgets a person of whom nothing is under way, now or when there are too many of them.
    fn rest(&mut self, user: &UserName) {
        let Some(person) = self.by_name.get(user).filter(|person| person.sending.waiting().0 == 0) else { return };
        if self.resting.contains(user) {
            return;
        }
        if !person.sending.expects_more() {
            self.by_name.remove(user);
            return;
        }
        if self.resting.len() == RESTING
            && let Some(first) = self.resting.pop_front()
        {
            self.by_name.remove(&first);
        }
        self.resting.push_back(user.clone());
    }
}

struct Person {
    author: Author,
    sending: Sending,
    /// Who waits for the answer to what, those with the same id to the same address in their order.
    waiting: HashMap<(Address, MessageId), VecDeque<Waiting>>,
}

impl Person {
    /// Tells whoever waits for it.
    fn tell(&mut self, to: &Address, answer: Answer) {
        let of = (to.clone(), answer.id());
        let Some(waiting) = self.waiting.get_mut(&of) else { return };
        if let Some(first) = waiting.pop_front() {
            // Whoever sent it may have hung up.
            let _ = first.answer.send(answer);
        }
        if waiting.is_empty() {
            self.waiting.remove(&of);
        }
    }
}

struct Waiting {
    answer: oneshot::Sender<Answer>,
    _permit: Permit,
}

/// The permit to be one of the [`limits::POSTS_AT_ONCE`].
pub(crate) struct Permit {
    region: Arc<Region>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.region.metrics.posts_under_way.dec();
    }
}

impl Posts {
    /// What is sent by users of this region.
    pub(crate) fn new(region: Arc<Region>, sent_copies: SentCopies) -> Arc<Posts> {
        Arc::new(Posts {
            region,
            sent_copies,
            people: Mutex::default(),
            permits: Arc::new(Semaphore::new(limits::POSTS_AT_ONCE)),
            tasks: TaskTracker::new(),
        })
    }

    /// A permit for one more; `None` where as many are under way as may be.
    pub(crate) fn permit(&self) -> Option<Permit> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        self.region.metrics.posts_under_way.inc();
        Some(Permit { region: self.region.clone(), _permit: permit })
    }

    /// The tasks of what is under way.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Takes in what is sent in a user's name, or refused before it was looked at. The answer does not come only where a panic took it.
    pub(crate) fn send(self: &Arc<Posts>, from: &UserName, input: Input, permit: Permit) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let key = match &input {
            Input::Send(send) => send.address().ok().map(|to| (to.said_in(self.region.name()), send.id)),
            Input::OverTheShare(..)
            | Input::Crowded(_)
            | Input::Appended { .. }
            | Input::LookedUp { .. }
            | Input::DoneInGroup { .. }
            | Input::Referred { .. } => None,
        };
        let mut people = self.people.lock();
        people.resting.retain(|resting| resting != from);
        let person = people.by_name.entry(from.clone()).or_insert_with(|| self.person(from));
        // Every device of the user's is another one than this.
        person.author.copies = match self.sent_copies {
            SentCopies::Always => true,
            SentCopies::SeveralDevices => self.region.directory.is_followed(&self.region.mailbox(from)),
        };
        let input = match input {
            Input::Send(send) if person.sending.waiting().0 >= limits::POSTS_OF_ONE_USER => Input::Crowded(send.id),
            input @ (Input::Send(_)
            | Input::OverTheShare(..)
            | Input::Crowded(_)
            | Input::Appended { .. }
            | Input::LookedUp { .. }
            | Input::DoneInGroup { .. }
            | Input::Referred { .. }) => input,
        };
        let then = person.sending.handle(clock::now(), &person.author, input);
        match (then.answer, key) {
            (Some(refusal), _) => drop(answer.send(refusal)),
            (None, Some(key)) => {
                person.waiting.entry(key).or_default().push_back(Waiting { answer, _permit: permit });
            }
            // What has no address is refused.
            (None, None) => {}
        }
        people.rest(from);
        drop(people);
        if let Some(todo) = then.todo {
            self.carry_out(from.clone(), todo);
        }
        answered
    }

    fn person(&self, user: &UserName) -> Person {
        let settings = &self.region.settings;
        let author =
            Author { user: user.clone(), region: settings.region.clone(), shards: settings.shards, copies: true };
        Person { author, sending: Sending::default(), waiting: HashMap::new() }
    }

    /// Carries out one step after another of a lane, until it is empty.
    fn carry_out(self: &Arc<Posts>, from: UserName, first: Do) {
        let posts = self.clone();
        self.tasks.spawn(async move {
            let steps = async {
                let mut todo = Some(first);
                while let Some(step) = todo.take() {
                    todo = posts.take(&from, carrier::carry(&posts.region, step).await);
                }
            };
            if AssertUnwindSafe(steps).catch_unwind().await.is_err() {
                posts.region.metrics.panics.inc();
                tracing::error!(user = %from, "a panic ends what is sent for a user over HTTP: its outcome is unknown");
                posts.people.lock().by_name.remove(&from);
            }
        });
    }

    /// Takes what came of a step, tells who waits for an answer, and gives the lane's next step.
    fn take(&self, from: &UserName, input: Input) -> Option<Do> {
        let mut people = self.people.lock();
        let person = people.by_name.get_mut(from)?;
        let to = match &input {
            Input::Appended { key, .. }
            | Input::LookedUp { key, .. }
            | Input::DoneInGroup { key, .. }
            | Input::Referred { key, .. } => key.to.clone(),
            Input::Send(_) | Input::OverTheShare(..) | Input::Crowded(_) => return None,
        };
        let Then { todo, answer, given_up } = person.sending.handle(clock::now(), &person.author, input);
        for answer in answer.into_iter().chain(given_up) {
            person.tell(&to, answer);
        }
        people.rest(from);
        todo
    }
}
