//! The `accounts` role: writes down what people decide about others, and which tokens were taken back. It answers gateways once what they
//! ask for is stored.
//!
//! `core` decides; `crate::change` writes by compare-and-set, so that two workers at once do no harm; this file feeds them.

pub mod core;
mod metrics;

use std::sync::Arc;

use dunlin_nats::{AccountsQuestion, AccountsService, Record, Records};
use dunlin_schema::{
    RegionName, Shard, limits,
    record::{Revocation, Settings},
    revocation::{Revoke, RevokeAnswer},
    settings::{ChangeSettings, SettingsChanged},
    subject,
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use prometheus_client::registry::Registry;

use self::{
    core::{TooMany, changed, revoked},
    metrics::{AccountsMetrics, Metrics},
};
use crate::{
    change::{AT_ONCE, ChangeError, Changed, change},
    context::Context,
    offer,
    readiness::TaskState,
    role::{Role, Work},
};

/// The role.
pub const ROLE: Role = Role::new("accounts", prepare);

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard)).boxed()))
}

/// A shard's records, and what is counted of them.
struct Accounts<'a> {
    region: &'a RegionName,
    shard: Shard,
    records: Records,
    metrics: &'a AccountsMetrics,
}

/// Works on a shard until it is told to stop.
async fn run(context: Context, shard: Shard, metrics: AccountsMetrics) {
    let region = &context.settings.region;
    let accounts = Accounts { region, shard, records: context.records(), metrics: &metrics };
    tokio::select! {
        () = context.stop.cancelled() => {}
        () = serve(&context, &accounts) => {}
    }
    context.tell(TaskState::Idle);
}

/// Answers until it is dropped.
async fn serve(context: &Context, accounts: &Accounts<'_>) {
    let start = || AccountsService::start(context.connection(), accounts.shard);
    let answer = |service| {
        context.tell(TaskState::Working);
        answer(service, accounts)
    };
    offer::always(accounts.shard, start, answer).await;
}

/// Answers until the connection is closed.
async fn answer(mut service: AccountsService, accounts: &Accounts<'_>) {
    let mut answering = FuturesUnordered::new();
    loop {
        tokio::select! {
            question = service.next(), if answering.len() < AT_ONCE => {
                let Some(question) = question else { return };
                answering.push(accounts.answer(question));
            }
            Some(()) = answering.next() => {}
        }
    }
}

/// Why settings were not changed.
enum NotChanged {
    TooMany,
    Failed(ChangeError),
}

impl From<TooMany> for NotChanged {
    fn from(TooMany: TooMany) -> NotChanged {
        NotChanged::TooMany
    }
}

impl From<ChangeError> for NotChanged {
    fn from(error: ChangeError) -> NotChanged {
        NotChanged::Failed(error)
    }
}

impl Accounts<'_> {
    async fn answer(&self, question: AccountsQuestion) {
        match question {
            AccountsQuestion::Change(change, reply) => reply.answer(&self.settings(&change).await).await,
            AccountsQuestion::Revoke(revoke, reply) => reply.answer(&self.revocation(&revoke).await).await,
        }
    }

    async fn settings(&self, change: &ChangeSettings) -> SettingsChanged {
        match self.change(change).await {
            Ok(Changed { revision, .. }) => {
                self.metrics.changed.inc();
                SettingsChanged::Stored(revision)
            }
            Err(NotChanged::TooMany) => SettingsChanged::TooMany,
            Err(NotChanged::Failed(error)) => {
                self.failed(&error, "settings were not changed");
                SettingsChanged::NotStored
            }
        }
    }

    async fn change(&self, ChangeSettings { user, change: wanted }: &ChangeSettings) -> Result<Changed, NotChanged> {
        let subject = subject::settings(self.region, self.shard, user);
        let changing = |stored: Option<&Record>| {
            let stored = stored.map(|stored| Settings::decode(&stored.bytes)).transpose().map_err(ChangeError::from)?;
            let settings = changed(&stored.unwrap_or_default(), wanted)?;
            Ok(settings.map(|settings| (settings.encode(), None)))
        };
        change(&self.records, &self.metrics.conflicts, self.shard, &subject, changing).await
    }

    async fn revocation(&self, revoke: &Revoke) -> RevokeAnswer {
        match self.revoke(revoke).await {
            Ok(_) => {
                self.metrics.revoked.inc();
                RevokeAnswer::Stored
            }
            Err(error) => {
                self.failed(&error, "a revocation was not stored");
                RevokeAnswer::NotStored
            }
        }
    }

    async fn revoke(&self, revoke: &Revoke) -> Result<Changed, ChangeError> {
        let subject = subject::revocation(self.region, self.shard, &revoke.what);
        let changing = |stored: Option<&Record>| {
            let stored = stored.map(|stored| Revocation::decode(&stored.bytes)).transpose()?;
            // A gateway whose clock is behind needs it for as much longer.
            let kept = |barred: &Revocation| barred.until.since(revoke.at).plus(limits::CLOCK_SKEW);
            Ok(revoked(stored, revoke).map(|barred| (barred.encode(), Some(kept(&barred)))))
        };
        change(&self.records, &self.metrics.conflicts, self.shard, &subject, changing).await
    }

    fn failed(&self, error: &ChangeError, what: &str) {
        tracing::warn!(shard = %self.shard, %error, "{what}");
        self.metrics.failed.inc();
    }
}
