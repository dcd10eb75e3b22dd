//! Carries out the steps of what is sent, for sockets and for HTTP: [`crate::sending`] decides, and each step is bounded in time by `nats`.

use std::time::Instant;

use dunlin_nats::{AppendError, Item, Origin, Pace};

use crate::{
    sending::{Append, AppendFailure, Do, Input, Step, Stored},
    shared::Shared,
};

/// Carries out a step, and gives what came of it.
pub(crate) async fn carry(shared: &Shared, todo: Do) -> Input {
    match todo {
        Do::Append(wanted) => append(shared, *wanted).await,
    }
}

async fn append(shared: &Shared, wanted: Append) -> Input {
    let Append { key, log, entry, first_try, copy_of_new } = wanted;
    let began = Instant::now();
    // A recipient waits for the one, and nobody for the other but the sender, who is told of both together.
    let pace = match key.step {
        Step::Store => Pace::Prompt,
        Step::Copy => Pace::Unhurried,
    };
    let outcome =
        shared.appender.append_at(pace, Item { log, entry, origin: Origin::Client, first_try, copy_of_new }).await;
    shared.metrics.appends.observe(began.elapsed().as_secs_f64());
    match &outcome {
        Ok(_) => shared.health.append_stored(),
        Err(AppendError::Full | AppendError::Unknown) => {
            shared.metrics.failed_appends.inc();
            shared.health.append_failed();
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
