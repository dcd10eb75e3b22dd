//! What a user decides about others. A change is stored by the accounts worker before it is said to be done.

use dunlin_schema::{
    Address, Code, Peer, Sender,
    frame::Answer,
    limits,
    record::Settings,
    settings::{ChangeSettings, SettingsChange},
    subject,
};

use super::Context;
use crate::refusal::Refusal;

/// Somebody is to be blocked. Errors: also where it is no person, or the user itself.
pub(super) async fn block(context: &Context<'_>, whom: Address) -> Result<Answer, Refusal> {
    let whom = person(context, whom)?;
    if whom.user == *context.asker.user() && whom.region == *context.region {
        return Err(Refusal::never(Code::BadQuestion, "in `block`: `user`: nobody blocks themselves"));
    }
    change(context, SettingsChange::Block(whom)).await
}

/// Somebody is no longer to be blocked.
pub(super) async fn unblock(context: &Context<'_>, whom: Address) -> Result<Answer, Refusal> {
    let whom = person(context, whom)?;
    change(context, SettingsChange::Unblock(whom)).await
}

/// The user's settings are to be changed.
pub(super) async fn change(context: &Context<'_>, change: SettingsChange) -> Result<Answer, Refusal> {
    let (user, shard) = (context.asker.user().clone(), context.asker.shard());
    let change = ChangeSettings { user, change };
    let stored = context.accounts.change(shard, &change, limits::ASK_WITHIN).await;
    // Also where nobody knows whether it was stored.
    context.people.forget(&change.user);
    stored?;
    Ok(Answer::Done {})
}

/// Whom the user has blocked.
pub(super) async fn blocks(context: &Context<'_>) -> Result<Answer, Refusal> {
    let blocked = stored(context).await?.blocked;
    Ok(Answer::Blocks { users: blocked.iter().map(|who| who.seen_from(context.region)).collect() })
}

/// The user's settings.
pub(super) async fn settings(context: &Context<'_>) -> Result<Answer, Refusal> {
    let Settings { who_may_write, who_sees_presence, blocked: _ } = stored(context).await?;
    Ok(Answer::Settings { who_may_write: who_may_write.into(), who_sees_presence: who_sees_presence.into() })
}

async fn stored(context: &Context<'_>) -> Result<Settings, Refusal> {
    let (user, shard) = (context.asker.user(), context.asker.shard());
    let record = context.records.load(shard, &subject::settings(context.region, shard, user)).await?;
    let settings = record.map(|record| Settings::decode(&record.bytes)).transpose().map_err(|error| {
        tracing::error!(%error, %user, "somebody's settings can't be read");
        Refusal::unavailable("the settings can't be read")
    })?;
    Ok(settings.unwrap_or_default())
}

fn person(context: &Context<'_>, address: Address) -> Result<Sender, Refusal> {
    let Address { peer, region } = address;
    match peer {
        Peer::User(user) => Ok(Sender { user, region: region.unwrap_or_else(|| context.region.clone()) }),
        Peer::Group(_) => Err(Refusal::never(Code::BadAddress, "`user` is a person's address, and a group has none")),
    }
}
