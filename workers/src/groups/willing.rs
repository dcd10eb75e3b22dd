//! Whether people let somebody add them to a group: whoever may write to them may. It goes by what is written down when it is asked, and
//! nothing of it is kept.

use std::collections::HashMap;

use dunlin_nats::Contacts;
use dunlin_schema::{Sender, Shard, UserName, envelope::EnvelopeError, record::Settings, settings::Lets, subject};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Shared, loaded::LoadError};
use crate::clock;

/// People who are looked at at once.
const AT_ONCE: usize = 32;

/// What each of these people says to somebody. Errors: see [`LoadError`].
pub(super) async fn of(
    shared: &Shared,
    by: &Sender,
    users: Vec<UserName>,
) -> Result<HashMap<UserName, bool>, LoadError> {
    let Shared { region, shards, records, reads, .. } = shared;
    let contacts = Contacts::of(by, (region, *shards), records, reads, clock::now());
    let asking = users.into_iter().map(|user| one(shared, &contacts, by, user));
    stream::iter(asking).buffer_unordered(AT_ONCE).try_collect().await
}

async fn one(
    shared: &Shared,
    contacts: &Contacts<'_>,
    by: &Sender,
    user: UserName,
) -> Result<(UserName, bool), LoadError> {
    let shard = Shard::of(user.as_str(), shared.shards);
    let Some(record) = shared.records.load(shard, &subject::settings(&shared.region, shard, &user)).await? else {
        return Ok((user, true));
    };
    let lets = match Settings::decode(&record.bytes) {
        Ok(settings) => settings.lets(by, settings.who_may_write),
        Err(error @ EnvelopeError::Version { .. }) => return Err(error.into()),
        Err(error @ (EnvelopeError::Short(_) | EnvelopeError::Checksum | EnvelopeError::Content(_))) => {
            tracing::error!(%user, %error, "a person's settings can't be read: nobody adds them to a group");
            Lets::No
        }
    };
    let is_willing = match lets {
        Lets::Yes => true,
        Lets::No => false,
        Lets::Contacts => contacts.have(&user).await?,
    };
    Ok((user, is_willing))
}
