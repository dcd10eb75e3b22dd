//! What is to be sent: one lane an address, so that the order of sends to it is kept; what was not answered is sent again under its id.

use std::collections::{BTreeMap, HashMap, VecDeque};

use dunlin_schema::{Address, Code, Content, MessageId, Millis, Open, RegionName, Retry, Seq, frame::Send, limits};

use super::history::{self, Delivered, History};
use crate::error::SendError;

/// Sends on their way at once, over all addresses: below what a gateway takes from one session.
const IN_FLIGHT: usize = 256;
/// The first pause before something that was refused for now is repeated, where the gateway names none; it doubles up to [`PAUSE_MOST`].
const PAUSE_FIRST: Millis = Millis(100);
const PAUSE_MOST: Millis = Millis(10_000);

const _: () = assert!(IN_FLIGHT <= limits::SENDS_IN_FLIGHT, "a gateway takes what is on its way");

/// A message that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id, which edits, reactions and deletes name.
    pub id: MessageId,
    /// Rises with each message of this sender to this address; `None` for a group in another region.
    pub order: Option<Seq>,
    /// When it was accepted.
    pub time: Millis,
}

/// Names a send between the core and whoever waits for its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

/// How a request ends.
pub(crate) type Settled = (RequestId, Result<Accepted, SendError>);

#[derive(Debug)]
struct Item {
    /// Given when it is first sent: only then the gateway's clock is known, and the id is fresh.
    id: Option<MessageId>,
    /// Who waits for the outcome; nobody for what is repeated after a gap.
    request: Option<RequestId>,
    content: Content,
    /// It was unanswered at a gap: once more after its answer.
    again: bool,
}

#[derive(Debug, Default)]
struct Lane {
    /// Those with an id first, in their order.
    waiting: VecDeque<Item>,
    flying: Vec<Item>,
    /// Nothing is sent before: something was refused for now, and what follows would overtake it.
    held: Option<Millis>,
    /// Refusals in a row.
    refused: u32,
    queued: bool,
}

impl Lane {
    /// Puts an item with an id where it belongs.
    fn put_back(&mut self, item: Item) {
        let at = self.waiting.partition_point(|other| other.id.is_some() && other.id < item.id);
        self.waiting.insert(at, item);
    }

    fn knows(&self, id: MessageId) -> bool {
        self.waiting.iter().chain(&self.flying).any(|item| item.id == Some(id))
    }
}

/// Everything that was handed over and has no final answer, and what may have to be repeated.
#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: BTreeMap<Address, Lane>,
    ready: VecDeque<Address>,
    flying: HashMap<MessageId, Address>,
    history: History,
    /// The user's own region, which gateways leave out of addresses.
    home: Option<RegionName>,
    per_address: usize,
    requests: usize,
}

impl Outbox {
    pub(crate) fn new(per_address: usize) -> Outbox {
        Outbox {
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            flying: HashMap::new(),
            history: History::default(),
            home: None,
            per_address,
            requests: 0,
        }
    }

    /// Whether somebody waits for an answer.
    pub(crate) fn waited_for(&self) -> bool {
        self.requests > 0
    }

    pub(crate) fn submit(&mut self, request: RequestId, to: Address, content: Content) {
        self.requests += 1;
        let lane = self.lanes.entry(to.clone()).or_default();
        lane.waiting.push_back(Item { id: None, request: Some(request), content, again: false });
        self.queue(to);
    }

    /// What can be sent now; with the request of what has its id from now on.
    pub(crate) fn pump(
        &mut self,
        now: Millis,
        mut id: impl FnMut() -> MessageId,
        mut send: impl FnMut(Send, Option<RequestId>),
    ) {
        self.release(now);
        while self.flying.len() < IN_FLIGHT
            && let Some(to) = self.ready.pop_front()
        {
            let Some(lane) = self.lanes.get_mut(&to) else { continue };
            lane.queued = false;
            if lane.held.is_some() || lane.flying.len() >= self.per_address {
                continue;
            }
            let Some(mut item) = lane.waiting.pop_front() else { continue };
            let named = item.request.filter(|_| item.id.is_none());
            let id = *item.id.get_or_insert_with(&mut id);
            send(Send { id, to: to.to_string(), content: item.content.clone() }, named);
            lane.flying.push(item);
            self.flying.insert(id, to.clone());
            self.queue(to);
        }
    }

    /// When a lane that is held goes on.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.lanes.values().filter_map(|lane| lane.held).min()
    }

    /// The user is of this region.
    pub(crate) fn welcomed(&mut self, home: RegionName) {
        self.home = Some(home);
    }

    /// A send is stored. `server_now` is the gateway's time.
    pub(crate) fn accepted(&mut self, server_now: Millis, answer: Accepted) -> Option<Settled> {
        let (to, mut item) = self.land(answer.id)?;
        let Accepted { id, order, time: taken } = answer;
        // A repeat gets its first answer, with the time of that.
        let stored = if item.request.is_none() { taken.max(server_now) } else { taken };
        let settled = self.settle(&mut item, Ok(answer));
        let kept = history::Item { to: to.clone(), content: item.content.clone(), order, taken, stored };
        self.history.keep(id, kept, &seen_from(self.home.as_ref(), &to));
        if let Some(lane) = self.lanes.get_mut(&to) {
            lane.refused = 0;
            if std::mem::take(&mut item.again) {
                lane.put_back(item);
            }
        }
        self.queue(to);
        settled
    }

    /// A send is refused, for now or for good.
    pub(crate) fn rejected(
        &mut self,
        now: Millis,
        id: MessageId,
        code: Open<Code>,
        message: String,
        retry_after: Option<Millis>,
    ) -> Option<Settled> {
        match code.retry(retry_after) {
            Retry::Later => self.refused_for_now(now, id, retry_after),
            Retry::Never | Retry::NewToken | Retry::Elsewhere => {
                self.refused_for_good(id, SendError::Rejected { code, message })
            }
        }
    }

    fn refused_for_now(&mut self, now: Millis, id: MessageId, retry_after: Option<Millis>) -> Option<Settled> {
        let (to, item) = self.land(id)?;
        let lane = self.lanes.get_mut(&to)?;
        lane.refused += 1;
        let pause = Millis(PAUSE_FIRST.0 << (lane.refused - 1).min(16)).min(PAUSE_MOST);
        lane.held = Some(now.plus(retry_after.unwrap_or(pause)));
        lane.put_back(item);
        self.queue(to);
        None
    }

    fn refused_for_good(&mut self, id: MessageId, why: SendError) -> Option<Settled> {
        let (to, mut item) = self.land(id)?;
        self.history.forget(id);
        let settled = self.settle(&mut item, Err(why));
        self.queue(to);
        settled
    }

    /// The connection is lost: what was on its way is sent again over the next one, before everything else.
    pub(crate) fn lost(&mut self) {
        self.flying.clear();
        self.ready.clear();
        for (to, lane) in &mut self.lanes {
            for item in std::mem::take(&mut lane.flying) {
                lane.put_back(item);
            }
            lane.queued = true;
            self.ready.push_back(to.clone());
        }
    }

    /// Something that was sent to this address, as a gateway names it, came to a device.
    pub(crate) fn delivered(&mut self, to: Address, receipt: Delivered) {
        let home = self.home.as_ref();
        self.history.delivered(to.clone(), receipt, |other| seen_from(home, other) == to);
    }

    /// Entries may be missing: what was accepted and came to nobody is repeated, and what is on its way once more after its answer.
    /// `server_now` is the gateway's time.
    pub(crate) fn gap(&mut self, server_now: Millis) {
        for lane in self.lanes.values_mut() {
            lane.flying.iter_mut().for_each(|item| item.again = true);
        }
        for (id, to, content) in self.history.repeats(server_now) {
            let lane = self.lanes.entry(to.clone()).or_default();
            if !lane.knows(id) {
                lane.put_back(Item { id: Some(id), request: None, content, again: false });
            }
            self.queue(to);
        }
    }

    /// Nothing will be answered any more.
    pub(crate) fn end(&mut self, why: &crate::error::Ended) -> Vec<Settled> {
        self.requests = 0;
        self.ready.clear();
        self.flying.clear();
        std::mem::take(&mut self.lanes)
            .into_values()
            .flat_map(|lane| lane.flying.into_iter().chain(lane.waiting))
            .filter_map(|item| Some((item.request?, Err(why.clone().into()))))
            .collect()
    }

    fn land(&mut self, id: MessageId) -> Option<(Address, Item)> {
        let to = self.flying.remove(&id)?;
        let lane = self.lanes.get_mut(&to)?;
        let at = lane.flying.iter().position(|item| item.id == Some(id))?;
        Some((to, lane.flying.remove(at)))
    }

    fn settle(&mut self, item: &mut Item, outcome: Result<Accepted, SendError>) -> Option<Settled> {
        let request = item.request.take()?;
        self.requests -= 1;
        Some((request, outcome))
    }

    fn release(&mut self, now: Millis) {
        let due: Vec<Address> = self
            .lanes
            .iter_mut()
            .filter(|(_, lane)| lane.held.is_some_and(|until| until <= now))
            .map(|(to, lane)| {
                lane.held = None;
                to.clone()
            })
            .collect();
        due.into_iter().for_each(|to| self.queue(to));
    }

    /// Looks at a lane when its turn comes; forgets one that has nothing left.
    fn queue(&mut self, to: Address) {
        let Some(lane) = self.lanes.get_mut(&to) else { return };
        if lane.waiting.is_empty() {
            if lane.flying.is_empty() {
                self.lanes.remove(&to);
            }
        } else if !lane.queued {
            lane.queued = true;
            self.ready.push_back(to);
        }
    }
}

/// An address as a gateway names it.
fn seen_from(home: Option<&RegionName>, address: &Address) -> Address {
    let address = address.clone();
    match home {
        Some(home) => address.seen_from(home),
        None => address,
    }
}
