//! What gateways ask: whose marks have changed, how far a message to a group has come, what a device is called, and that devices which
//! their user removes are forgotten. Of such a device each record is written over, and only then it is told that it is done.

use dunlin_nats::{ReceiptsQuestion, ReceiptsService, Reply};
use dunlin_schema::{
    Peer, Seq,
    device::{DeviceNamed, DeviceRemoved, NameDevice, RemoveDevice},
    subject,
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

use super::{
    Shared, changes,
    core::removed,
    devices::{Devices, NotNamed},
    groups,
    records::ChangeError,
};
use crate::{change::AT_ONCE, offer};

/// Answers until it is dropped.
pub(super) async fn run(shared: &Shared) {
    let start = || ReceiptsService::start(shared.context.connection(), shared.shard);
    offer::always(shared.shard, start, |service| answer(service, shared)).await;
}

/// Answers until the connection is closed.
async fn answer(mut service: ReceiptsService, shared: &Shared) {
    let mut changing = FuturesUnordered::new();
    loop {
        tokio::select! {
            question = service.next(), if changing.len() < AT_ONCE => match question {
                Some(ReceiptsQuestion::Remove(removal, reply)) => {
                    changing.push(remove(&shared.devices, removal, reply).boxed());
                }
                Some(ReceiptsQuestion::Name(naming, reply)) => {
                    changing.push(name(&shared.devices, naming, reply).boxed());
                }
                Some(ReceiptsQuestion::Marks(question, reply)) => changes::answer(shared, question, reply).await,
                Some(ReceiptsQuestion::Counts(question, reply)) => {
                    changing.push(groups::answer(shared, question, reply).boxed());
                }
                None => return,
            },
            Some(()) = changing.next() => {}
        }
    }
}

async fn remove(devices: &Devices, removal: RemoveDevice, reply: Reply<DeviceRemoved>) {
    let answer = match forget(devices, &removal).await {
        Ok(()) => {
            devices.metrics.removed.inc();
            DeviceRemoved::Stored
        }
        Err(error) => {
            error.tell(devices.shard, &removal.user, "a device was not removed");
            devices.metrics.failed.inc();
            DeviceRemoved::NotStored
        }
    };
    reply.answer(&answer).await;
}

async fn name(devices: &Devices, naming: NameDevice, reply: Reply<DeviceNamed>) {
    let answer = match devices.name(&naming).await {
        Ok(()) => {
            devices.metrics.named.inc();
            DeviceNamed::Stored
        }
        Err(NotNamed::NotThere) => DeviceNamed::NotThere,
        Err(NotNamed::Failed(error)) => {
            tracing::warn!(shard = %devices.shard, user = %naming.user, %error, "it was not stored what a device is called");
            devices.metrics.failed.inc();
            DeviceNamed::NotStored
        }
    };
    reply.answer(&answer).await;
}

/// The mailbox's record is written also where there is none: something that the device acknowledged may yet be on its way.
async fn forget(devices: &Devices, RemoveDevice { user, device, at }: &RemoveDevice) -> Result<(), ChangeError> {
    devices.change(user, device, &Peer::User(user.clone()), |stored| removed(stored, *at)).await?;
    let of_all_logs = subject::device_records(&devices.region, devices.shard, user, device);
    let mut from = Some(Seq(0));
    while let Some(begin) = from {
        let page = devices.records.all().page(devices.shard, &of_all_logs, begin).await?;
        for (subject, _) in page.records {
            // What was written meanwhile comes once more, and is as it should be then.
            devices.records.rewrite(devices.shard, &subject, |stored| removed(stored, *at)).await?;
        }
        from = page.next;
    }
    Ok(())
}
