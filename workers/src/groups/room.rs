//! Whether people may be in one more group. It goes by what is written down, which may be a little behind.

use dunlin_nats::Record;
use dunlin_schema::{Shard, UserName, limits, record::Follows, subject};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Shared, loaded::LoadError};

/// People who are looked at at once.
const AT_ONCE: usize = 32;

/// Whether each of these people may be in one more group. Errors: see [`LoadError`].
pub(super) async fn for_all(shared: &Shared, users: Vec<UserName>) -> Result<bool, LoadError> {
    let looking = stream::iter(users).map(|user| for_one(shared, user)).buffer_unordered(AT_ONCE);
    looking.try_fold(true, |all, one| std::future::ready(Ok(all && one))).await
}

async fn for_one(shared: &Shared, user: UserName) -> Result<bool, LoadError> {
    let Shared { region, shards, records, reads, .. } = shared;
    let shard = Shard::of(user.as_str(), *shards);
    let pattern = subject::all_follows(region, shard, &user);
    // Those whom they have left are among these for a while.
    if records.count(shard, &pattern).await? < limits::GROUPS {
        return Ok(true);
    }
    let mut groups = 0;
    let count = |_, record: Record| {
        groups += usize::from(Follows::decode(&record.bytes)?.is_member);
        Ok::<_, LoadError>(())
    };
    records.each_of_few(reads, shard, &pattern, count).await?;
    Ok(groups < limits::GROUPS)
}
