//! Makes the calls to NATS that storing a message takes (appends, look-ups, and what groups and media workers are asked), for sockets and
//! for HTTP alike: [`crate::sending`] decides which comes next, and `nats` bounds each in time.

use std::time::Instant;

use dunlin_nats::{AppendError, Item, Origin};
use dunlin_schema::{Entry, Peer};

use crate::{
    groups,
    region::Region,
    sending::{Append, AppendFailure, Do, InGroup, Input, LookUp, Refer, Step, Stored},
};

/// Carries out a step, and gives what came of it.
pub(crate) async fn carry(region: &Region, todo: Do) -> Input {
    match todo {
        Do::Append(wanted) => append(region, *wanted).await,
        Do::LookUp(wanted) => look_up(region, *wanted).await,
        Do::InGroup(wanted) => {
            let InGroup { key, shard, wanted } = *wanted;
            Input::DoneInGroup { key, answer: groups::ask(&region.groups, &region.metrics, shard, &wanted).await }
        }
        Do::Refer(wanted) => {
            let Refer { key, from, media, until } = *wanted;
            let message = (from, key.id, key.to.clone());
            Input::Referred { outcome: region.files().refer(&message, media, until).await, key }
        }
    }
}

async fn look_up(region: &Region, wanted: LookUp) -> Input {
    let LookUp { key, log, entry } = wanted;
    let found = region.appender.find(log, entry).await;
    region.metrics.looked_up(match &found {
        Ok(Some(_)) => "found",
        Ok(None) | Err(AppendError::TooOld | AppendError::FromTheFuture) => "not_there",
        Err(AppendError::Full | AppendError::TooLarge | AppendError::Unknown) => "unanswered",
    });
    Input::LookedUp { key, outcome: found.map(|found| found.map(stored)).map_err(failure) }
}

async fn append(region: &Region, wanted: Append) -> Input {
    let Append { key, log, entry, first_try, copy_of_new } = wanted;
    let (began, shard) = (Instant::now(), log.shard);
    if key.step == Step::Store
        && let Err(failure) = let_in(region, &entry).await
    {
        // A repeat gets its first answer, whatever the recipient has decided since.
        let outcome = match region.appender.find(log, entry).await {
            Ok(Some(found)) => Ok(stored(found)),
            Ok(None) | Err(AppendError::TooOld | AppendError::FromTheFuture) => Err(failure),
            Err(AppendError::Full | AppendError::TooLarge | AppendError::Unknown) => Err(AppendFailure::Unchecked),
        };
        return Input::Appended { key, outcome };
    }
    let outcome = region.appender.append(Item { log, entry, origin: Origin::Client, first_try, copy_of_new }).await;
    region.metrics.appends.observe(began.elapsed().as_secs_f64());
    match &outcome {
        Ok(_) => region.appends.stored(shard),
        Err(error @ (AppendError::Full | AppendError::Unknown)) => {
            let why = if *error == AppendError::Full { "full" } else { "unknown" };
            region.metrics.failed_append(shard, why);
            region.appends.failed(shard);
        }
        Err(AppendError::TooOld | AppendError::FromTheFuture | AppendError::TooLarge) => {}
    }
    Input::Appended { key, outcome: outcome.map(stored).map_err(failure) }
}

/// Whether the recipient lets the author write. Errors: not, or nobody can say now.
async fn let_in(region: &Region, entry: &Entry) -> Result<(), AppendFailure> {
    let Peer::User(to) = &entry.to.peer else { return Ok(()) };
    match region.people.may_write(&region.reads, &entry.from, to).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(AppendFailure::Refused),
        Err(_) => Err(AppendFailure::Unchecked),
    }
}

fn stored(stored: dunlin_nats::Stored) -> Stored {
    Stored { seq: stored.seq, entry: stored.entry, repeat: stored.repeat }
}

fn failure(error: AppendError) -> AppendFailure {
    match error {
        AppendError::TooOld => AppendFailure::TooOld,
        AppendError::FromTheFuture => AppendFailure::FromTheFuture,
        AppendError::Full => AppendFailure::Full,
        AppendError::TooLarge => AppendFailure::TooLarge,
        AppendError::Unknown => AppendFailure::Unknown,
    }
}
