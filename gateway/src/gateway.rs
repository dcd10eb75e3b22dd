//! What every connection of a gateway shares, whichever region its user is of.

use std::{collections::BTreeMap, sync::Arc};

use dunlin_schema::{
    Millis, RegionName, UserName,
    frame::{Question, Send},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Uptime,
    config::Config,
    limiter::Limiter,
    metrics::Metrics,
    posts::Posts,
    region::Region,
    sending,
    services::Services,
    socket::Gathering,
    sockets::Sockets,
    timer::{Order, Timer},
    tokens::KeyRing,
};

/// What every connection of a gateway shares.
pub(crate) struct Gateway {
    pub(crate) config: Config,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) sockets: Sockets,
    pub(crate) gathering: Gathering,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) timer: Arc<Timer>,
    /// The regions that are served here.
    pub(crate) regions: BTreeMap<RegionName, Arc<Region>>,
    /// One for each question that may be under way.
    pub(crate) asking: Arc<Semaphore>,
    /// What is sent over HTTP.
    pub(crate) posts: Arc<Posts>,
    pub(crate) services: Services,
    /// From now on the gateway is going away.
    pub(crate) drain: CancellationToken,
    /// HTTP connections answer what they have begun, and end.
    pub(crate) finish: CancellationToken,
    /// Everything ends where it stands.
    pub(crate) kill: CancellationToken,
}

impl Gateway {
    /// The region of this gateway's users; `None` where it is served elsewhere.
    pub(crate) fn home(&self) -> Option<&Arc<Region>> {
        self.regions.get(&self.config.region)
    }

    /// Whether the gateway is going away.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Why the gateway should be given no clients; `None` when it should.
    pub(crate) fn unready(&self, now: Uptime) -> Option<String> {
        if self.is_draining() {
            return Some("draining: this gateway is going away".to_owned());
        }
        let stalled = self.services.stalled(now);
        let stalled = stalled.map(|service| format!("the service `{service}` does not move"));
        stalled.or_else(|| self.keys.unready()).or_else(|| self.regions.values().find_map(|region| region.unready()))
    }

    /// What a user sends, counted towards their share, whichever way it comes; what is beyond it is said to be.
    pub(crate) fn sent(&self, from: &UserName, now: Millis, send: Send) -> sending::Input {
        match self.limiter.send(from, sending::is_costly(now, send.id, &send.content)) {
            Ok(()) => sending::Input::Send(send),
            Err(retry_after) => {
                self.metrics.limited_sends.inc();
                sending::Input::OverTheShare(send.id, retry_after)
            }
        }
    }

    /// What a user asks, counted towards their share: what stores something counts among their sends as well. Errors: when to try again.
    pub(crate) fn asked(&self, from: &UserName, what: &Question) -> Result<(), Millis> {
        self.limiter.ask(from)?;
        if what.id().is_some() {
            self.limiter.send(from, true)?;
        }
        if let Question::GroupCreate { members, .. } = what {
            self.limiter.make_group(from)?;
            self.limiter.add(from, members.len())?;
        }
        if let Question::GroupAdd { users, .. } = what {
            self.limiter.add(from, users.len())?;
        }
        Ok(())
    }

    /// Ends every socket where it stands.
    pub(crate) fn kill(&self) {
        self.kill.cancel();
        self.sockets.alarms().iter().for_each(|alarm| alarm.tell(Order::Drop));
    }
}
