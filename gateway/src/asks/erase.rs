//! The erasure of who asks: first it is stored that it is to be done, then all of their connections end.

use dunlin_schema::{Code, erasure::EraseUser, frame::Answer, limits, live::Removed};

use super::Context;
use crate::{clock, refusal::Refusal};

/// Has everything of the asker erased.
pub(super) async fn everything(context: &Context<'_>, confirm: &str) -> Result<Answer, Refusal> {
    let (user, shard) = (context.asker.user().clone(), context.asker.shard());
    if confirm != user.as_str() {
        let message = format!("`confirm` is your own name, {user}: everything that is yours would be erased");
        return Err(Refusal::never(Code::BadQuestion, message));
    }
    context.erasures.ask(shard, &EraseUser { user }, limits::ASK_WITHIN).await?;
    let (at, here) = (clock::now(), context.asker.device());
    let mut devices: Vec<_> = context.directory.connected(context.fan_in, context.asker).await?.into_iter().collect();
    // With the asker's own connection this ends as well.
    devices.sort_by_key(|device| device == here);
    for device in devices {
        context.directory.end(context.fan_in, context.asker, Removed { device, at }).await?;
    }
    Ok(Answer::Done {})
}
