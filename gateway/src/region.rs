//! A region as a gateway serves it: its connections to NATS, who of it is connected here, and what is compared and acknowledged for them.

use std::sync::Arc;

use dunlin_nats::{
    Accounts, Appender, ConnectError, ConnectOptions, Connection, Devices, Erasures, FanIn, Groups, Heads, Index,
    Marks, Media, Reads, Receipts, Records, SettingsError, region_settings,
};
use dunlin_schema::{Log, LogName, RegionName, UserName, limits, stream::RegionSettings};
use tokio::sync::Semaphore;

use crate::{
    appends::Appends,
    comparison::{Comparison, core::Silent},
    directory::Directory,
    embedded::Embedded,
    files::Files,
    memberships,
    metrics::Metrics,
    presence::{self, Sight, Watches, Whereabouts},
    reports::Reports,
    revocations::Revocations,
    services::Services,
    settings::People,
    signals::{self, Means, Signals},
};

/// A region that is served here.
pub(crate) struct Region {
    pub(crate) settings: RegionSettings,
    pub(crate) directory: Directory,
    pub(crate) appender: Appender,
    pub(crate) appends: Appends,
    pub(crate) reads: Reads,
    /// Turns to look up what somebody may read of a group.
    pub(crate) looks: Semaphore,
    pub(crate) fan_in: FanIn,
    pub(crate) signals: Signals,
    pub(crate) heads: Heads,
    pub(crate) comparison: Comparison,
    pub(crate) receipts: Receipts,
    pub(crate) marks: Marks,
    pub(crate) records: Records,
    pub(crate) devices: Devices,
    pub(crate) erasures: Erasures,
    pub(crate) index: Index,
    pub(crate) whereabouts: Whereabouts,
    pub(crate) watches: Arc<Watches>,
    pub(crate) accounts: Accounts,
    pub(crate) groups: Groups,
    pub(crate) media: Media,
    /// The store of its files, where that is a folder.
    pub(crate) embedded: Option<Arc<Embedded>>,
    pub(crate) people: People,
    pub(crate) revocations: Revocations,
    pub(crate) reports: Reports,
    pub(crate) metrics: Arc<Metrics>,
    nats: Connection,
}

/// Why a region can't be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegionError {
    /// Its NATS can't be reached, or does not let us in.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Its streams are not there, or not ours.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl Region {
    /// Opens its connections, and begins what it does beside its sockets as `services`. Errors: see [`RegionError`].
    pub(crate) async fn open(
        options: &ConnectOptions,
        region: &RegionName,
        embedded: Option<Arc<Embedded>>,
        metrics: &Arc<Metrics>,
        services: &Services,
    ) -> Result<Arc<Region>, RegionError> {
        let nats = Connection::open(options, region).await?;
        let settings = region_settings(&nats).await?;
        let (appender, reads, fan_in) = tokio::join!(
            Box::pin(Appender::open(options, &settings)),
            Box::pin(Reads::open(options, &settings)),
            Box::pin(FanIn::open(options, region))
        );
        let (appender, reads, (fan_in, reading)) = (appender?, reads?, fan_in?);
        let (directory, news) = Directory::new(settings.region.clone(), settings.shards, metrics.clone());
        let (signals, elsewhere) = signals::channel();
        let whereabouts = Whereabouts::new(&settings, &fan_in, &Records::new(&nats), metrics);
        let revocations = Revocations::new(settings.region.clone(), settings.shards, metrics.clone());
        let people = People::new(settings.region.clone(), settings.shards, Records::new(&nats), metrics.clone());
        let region = Arc::new(Region {
            directory,
            appender,
            appends: Appends::new(settings.shards),
            marks: Marks::new(&nats, &reads),
            reads,
            looks: Semaphore::new(limits::GROUP_LOOKS),
            fan_in,
            signals,
            heads: Heads::new(&nats),
            comparison: Comparison::new(settings.shards),
            receipts: Receipts::new(&nats),
            records: Records::new(&nats),
            devices: Devices::new(&nats),
            erasures: Erasures::new(&nats),
            index: Index::new(&nats),
            whereabouts,
            watches: Watches::new(metrics),
            accounts: Accounts::new(&nats),
            groups: Groups::new(&nats),
            media: Media::new(&nats),
            embedded,
            people,
            revocations,
            reports: Reports::default(),
            metrics: metrics.clone(),
            nats,
            settings,
        });
        services.spawn(format!("live entries of {}", region.name()), |pulse| reading.run(move || pulse.beat()));
        let told = region.clone();
        services.spawn(format!("news of devices in {}", region.name()), |pulse| async move {
            let Region { fan_in, metrics, .. } = &*told;
            news.run(fan_in, metrics, &pulse).await;
        });
        let signalled = region.clone();
        services.spawn(format!("signals of {}", region.name()), |pulse| async move {
            elsewhere.run(&signalled.signals, signalled.means(), &pulse).await;
        });
        region.begin_decisions(services);
        region.begin_following(services);
        let reported = region.clone();
        services.spawn(format!("reports of {}", region.name()), |pulse| async move {
            let Region { reports, directory, receipts, metrics, .. } = &*reported;
            reports.run(directory, receipts, metrics, &pulse).await;
        });
        region.begin_presence(services);
        Ok(region)
    }

    /// Begins to give live entries to those who follow a log together, and to find those that were lost.
    fn begin_following(self: &Arc<Region>, services: &Services) {
        let given = self.clone();
        services.spawn(format!("fan-out in {}", self.name()), |pulse| async move {
            given.directory.fan_out(&pulse).await;
        });
        let compared = self.clone();
        services.spawn(format!("comparison of heads in {}", self.name()), |pulse| async move {
            let Region { comparison, heads, directory, metrics, fan_in, .. } = &*compared;
            comparison.run(heads, directory, metrics, fan_in.losses(), &pulse).await;
        });
    }

    /// Begins to follow which tokens are revoked, what people decide about others, and which groups they are in.
    fn begin_decisions(self: &Arc<Region>, services: &Services) {
        let barring = self.clone();
        services.spawn(format!("revocations of {}", self.name()), |pulse| async move {
            let Region { revocations, records, directory, .. } = &*barring;
            revocations.run(directory, records, &pulse).await;
        });
        let decided = self.clone();
        services.spawn(format!("settings of {}", self.name()), |pulse| async move {
            decided.people.run(&pulse).await;
        });
        let followed = self.clone();
        services.spawn(format!("groups of people in {}", self.name()), |pulse| async move {
            let Region { directory, records, .. } = &*followed;
            memberships::run(followed.name(), directory, records, &pulse).await;
        });
    }

    /// Begins to say who comes and goes, and to ask for those who are watched.
    fn begin_presence(self: &Arc<Region>, services: &Services) {
        let changed = self.clone();
        services.spawn(format!("news of presence in {}", self.name()), |pulse| async move {
            let Region { directory, watches, reports, metrics, fan_in, .. } = &*changed;
            presence::tell(directory, watches, (reports, metrics), fan_in, &pulse).await;
        });
        let saw = self.clone();
        services.spawn(format!("last seen in {}", self.name()), |pulse| async move {
            let Region { reports, directory, metrics, .. } = &*saw;
            presence::see(directory, reports, metrics, &pulse).await;
        });
        let watching = self.clone();
        services.spawn(format!("watches in {}", self.name()), |pulse| async move {
            let Region { directory, watches, whereabouts, fan_in, .. } = &*watching;
            watches.run(directory, whereabouts, watching.sight(), fan_in, &pulse).await;
        });
    }

    /// What it takes to tell a signal.
    pub(crate) fn means(&self) -> Means<'_> {
        let Region { fan_in, reads, directory, people, metrics, .. } = self;
        Means { fan_in, reads, directory, people, metrics }
    }

    /// What its people are shown of each other's presence.
    pub(crate) fn sight(&self) -> Sight<'_> {
        Sight { people: &self.people, reads: &self.reads }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &RegionName {
        &self.settings.region
    }

    /// A log that a user follows.
    pub(crate) fn log(&self, user: &UserName, name: &LogName) -> Log {
        Log::named(&self.settings.region, self.settings.shards, user, name)
    }

    /// What is asked about files.
    pub(crate) fn files(&self) -> Files<'_> {
        let Region { media, index, records, reads, metrics, settings, .. } = self;
        Files { media, index, records, reads, metrics, region: &settings.region, shards: settings.shards }
    }

    /// A user's mailbox.
    pub(crate) fn mailbox(&self, user: &UserName) -> Log {
        Log::mailbox(&self.settings.region, self.settings.shards, user)
    }

    /// What found no room in a queue on the way to NATS and back, by queue. Live entries are counted with what else can have lost them.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let answers = [
            ("answers to reads", self.reads.dropped()),
            ("answers to questions", self.nats.dropped()),
            ("answers to gateways", self.fan_in.unanswered()),
        ];
        self.appender.refused().into_iter().chain(answers)
    }

    /// Why its users should be sent to another gateway; `None` when they should not.
    pub(crate) fn unready(&self) -> Option<String> {
        if !self.fan_in.is_connected() {
            return Some("no connection to NATS".to_owned());
        }
        match self.comparison.silent() {
            Some(Silent::Region) => {
                let region = self.name();
                return Some(format!(
                    "nobody of region {region} can be reached through this nats-server: where it is a leaf node its link to the region is \
                     gone, and where it is the region's own no worker with the role `deliver` runs"
                ));
            }
            Some(Silent::Reader(shard)) => {
                return Some(format!(
                    "no deliver reader answers for shard {shard}: is a worker with the role `deliver` running, and does nats-server \
                     store (a full disk stops it until it is started again)?"
                ));
            }
            None => {}
        }
        if let Some(why) = self.revocations.unready() {
            return Some(why);
        }
        if self.appends.fail() {
            return Some(
                "appends fail in most shards: their streams are full, have no quorum, or can't be reached from here"
                    .to_owned(),
            );
        }
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
