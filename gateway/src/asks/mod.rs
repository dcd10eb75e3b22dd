//! What clients ask: one file a family of questions, each of which is given a [`Context`] and nothing else.
//!
//! A question goes past the session and its lock: its answer is awaited beside the connection's other work, and ends with the socket. What
//! is under way is bounded by [`Asks`], and what a user may ask by the limiter.

mod conversations;
mod counts;
mod devices;
mod erase;
mod groups;
mod in_flight;
mod media;
mod presence;
mod receipts;
mod settings;

use std::{sync::Arc, time::Duration};

use dunlin_nats::{Accounts, Devices, Erasures, FanIn, Groups, Index, Marks, Reads, Records};
use dunlin_schema::{
    Address, GroupAddress, Peer, RegionName, UserName,
    frame::{Answer, AnswerFrame, Ask, Question, ServerFrame},
    group::GroupCommand,
    limits,
    media::record::Promise,
    settings::SettingsChange,
};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use self::groups::Command;
pub(crate) use self::in_flight::Asks;
use crate::{
    connection::Connection,
    directory::Directory,
    embedded::Embedded,
    files::Files,
    metrics::Metrics,
    presence::{Sight, Watches, Whereabouts},
    refusal::Refusal,
    region::Region,
    settings::People,
};

/// What a family of questions is given, and all that it may touch.
pub(crate) struct Context<'a> {
    /// Who asks.
    asker: &'a Arc<Connection>,
    region: &'a RegionName,
    /// Into how many shards it is divided.
    shards: u16,
    /// What the region's workers have written down.
    records: &'a Records,
    /// Has the worker change what is written down of devices.
    devices: &'a Devices,
    /// Has the worker erase somebody.
    erasures: &'a Erasures,
    /// Has the worker write down what people decide about others.
    accounts: &'a Accounts,
    /// Has the worker do what is wanted in a group.
    groups: &'a Groups,
    /// What is known here of what people decide about others.
    people: &'a People,
    /// Who is connected here.
    directory: &'a Directory,
    /// What other gateways are told, and say.
    fan_in: &'a FanIn,
    /// Who is connected, here or elsewhere.
    whereabouts: &'a Whereabouts,
    /// Who is watched by whom.
    watches: &'a Watches,
    /// What people are shown of each other's presence.
    sight: Sight<'a>,
    /// What belongs to which conversation.
    index: &'a Index,
    /// How far what was sent to groups has come.
    marks: &'a Marks,
    /// What is known of files.
    files: Files<'a>,
    /// Where files are, if they are here.
    embedded: Option<&'a Embedded>,
    /// What logs say.
    reads: &'a Reads,
    metrics: &'a Metrics,
}

/// Answers a question within [`limits::ASK_WITHIN`]. The permit is one of the gateway's [`limits::ASKS_AT_ONCE`].
pub(crate) async fn answered(
    region: Arc<Region>,
    asker: Arc<Connection>,
    Ask { reference, what }: Ask,
    _permit: OwnedSemaphorePermit,
) -> ServerFrame {
    let context = Context {
        asker: &asker,
        region: region.name(),
        shards: region.settings.shards,
        records: &region.records,
        devices: &region.devices,
        erasures: &region.erasures,
        accounts: &region.accounts,
        groups: &region.groups,
        people: &region.people,
        directory: &region.directory,
        fan_in: &region.fan_in,
        whereabouts: &region.whereabouts,
        watches: &region.watches,
        sight: region.sight(),
        index: &region.index,
        marks: &region.marks,
        files: region.files(),
        embedded: region.embedded.as_deref(),
        reads: &region.reads,
        metrics: &region.metrics,
    };
    let answer = timeout(Duration::from_millis(limits::ASK_WITHIN.0), context.answer(what)).await;
    match answer.unwrap_or_else(|_| Err(late())) {
        Ok(what) => ServerFrame::Answer(AnswerFrame { reference, what: what.into() }),
        Err(refusal) => {
            tracing::debug!(user = %asker.user(), reason = refusal.message, "a question is refused");
            refusal.of(Some(reference))
        }
    }
}

/// Whether people are connected, for a back end that asks over HTTP: as far as its own user may see it.
pub(crate) async fn presence(region: &Region, asker: &UserName, users: &[String]) -> Result<Answer, Refusal> {
    let looked_for =
        presence::of(region.name(), &region.directory, &region.whereabouts, (asker, region.sight()), users);
    timeout(Duration::from_millis(limits::ASK_WITHIN.0), looked_for).await.unwrap_or_else(|_| Err(late()))
}

fn late() -> Refusal {
    Refusal::unavailable(format!("there was no answer within {} ms", limits::ASK_WITHIN.0))
}

impl Context<'_> {
    async fn answer(&self, what: Question) -> Result<Answer, Refusal> {
        match what {
            Question::Devices {} => devices::list(self).await,
            Question::DeviceRemove { device } => devices::remove(self, device).await,
            Question::DeviceName { device, title } => devices::name(self, device, title).await,
            Question::Erase { confirm } => erase::everything(self, &confirm).await,
            Question::Presence { users } => presence::list(self, &users).await,
            Question::Watch { users } => presence::watch(self, &users),
            Question::Conversations { after, limit } => conversations::list(self, after, limit).await,
            Question::History { with, before, limit } => conversations::history(self, with, before, limit).await,
            Question::Block { user } => settings::block(self, user).await,
            Question::Unblock { user } => settings::unblock(self, user).await,
            Question::Blocks {} => settings::blocks(self).await,
            Question::Set { who_may_write, who_sees_presence } => {
                settings::change(self, SettingsChange::Set { who_may_write, who_sees_presence }).await
            }
            Question::Settings {} => settings::settings(self).await,
            Question::Receipts { to: Address { peer: Peer::Group(group), region }, order } => {
                counts::of(self, GroupAddress { group, region }, order).await
            }
            Question::Receipts { to, order } => receipts::of(self, to, order).await,
            Question::GroupCreate { id, group, title, members, settings } => {
                groups::create(self, Command { id, group }, title, members, settings).await
            }
            Question::GroupAdd { id, group, users } => groups::add(self, Command { id, group }, users).await,
            Question::GroupRemove { id, group, users } => groups::remove(self, Command { id, group }, users).await,
            Question::GroupRole { id, group, user, role } => {
                groups::role(self, Command { id, group }, user, role).await
            }
            Question::GroupSet { id, group, title, settings } => {
                let what = GroupCommand::Set { title, settings: settings.unwrap_or_default() };
                groups::done(self, Command { id, group }, what).await
            }
            Question::GroupLeave { id, group } => groups::done(self, Command { id, group }, GroupCommand::Leave).await,
            Question::GroupDelete { id, group } => {
                groups::done(self, Command { id, group }, GroupCommand::Delete).await
            }
            Question::GroupInfo { group } => groups::info(self, group).await,
            Question::GroupMembers { group, after, limit } => groups::members(self, group, after, limit).await,
            Question::Groups { after, limit } => groups::list(self, after, limit).await,
            Question::GroupLink { id, group, ttl, uses } => groups::link(self, Command { id, group }, ttl, uses).await,
            Question::GroupJoin { id, token } => groups::join(self, id, token).await,
            Question::GroupUnlink { id, group, token } => groups::unlink(self, Command { id, group }, token).await,
            Question::ReceiptsOf { to, order, after, limit } => counts::members(self, to, order, (after, limit)).await,
            Question::Upload { size, kind, sha256, media } => {
                media::upload(self, Promise { size, kind, sha256 }, media).await
            }
            Question::UploadDone { media, proof } => media::done(self, media, proof).await,
            Question::Download { media, thumbnail, name } => media::download(self, media, thumbnail, name).await,
        }
    }
}
