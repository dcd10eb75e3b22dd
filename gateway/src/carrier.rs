//! Carries out the steps of what is sent, for sockets and for HTTP: [`crate::sending`] decides, and each step is bounded in time by `nats`.

use std::time::Instant;

use dunlin_nats::{AppendError, Item, Origin, Pace};

use crate::{
    region::Region,
    sending::{Append, AppendFailure, Do, Input, Step, Stored},
};

/// Carries out a step, and gives what came of it.
pub(crate) async fn carry(region: &Region, todo: Do) -> Input {
    match todo {
        Do::Append(wanted) => append(region, *wanted).await,
    }
}

async fn append(region: &Region, wanted: Append) -> Input {
    let Append { key, log, entry, first_try, copy_of_new } = wanted;
    let (began, shard) = (Instant::now(), log.shard);
    // A recipient waits for the one, and nobody for the other but the sender, who is told of both together.
    let pace = match key.step {
        Step::Store => Pace::Prompt,
        Step::Copy => Pace::Unhurried,
    };
    let outcome =
        region.appender.append_at(pace, Item { log, entry, origin: Origin::Client, first_try, copy_of_new }).await;
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
    let stored = outcome.map(|stored| Stored { seq: stored.seq, entry: stored.entry, repeat: stored.repeat });
    let outcome = stored.map_err(|error| match error {
        AppendError::TooOld => AppendFailure::TooOld,
        AppendError::FromTheFuture => AppendFailure::FromTheFuture,
        AppendError::Full => AppendFailure::Full,
        AppendError::TooLarge => AppendFailure::TooLarge,
        AppendError::Unknown => AppendFailure::Unknown,
    });
    Input::Appended { key, outcome }
}
