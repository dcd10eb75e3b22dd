//! What a device has: the marks of those who sent it first, then the device's own record.

use std::collections::HashMap;

use dunlin_nats::{Queued, ReceiptItem};
use dunlin_schema::{Cursor, UserName, subject};
use futures_util::{StreamExt, future::join_all, stream};

use super::{
    Shared,
    core::{
        Whose,
        claims::{Claims, Known, News, Unread},
        counts, is_higher,
        marks::Raise,
        pace::Merge,
        raised,
    },
    mailbox,
    pairs::Pair,
    records::ChangeError,
};

/// Parts of a mailbox that are read at once for one device.
const READS: usize = 2;

/// What a device said over one connection, and the items that said it.
pub(super) struct Acknowledged {
    pub(super) cursor: Cursor,
    pub(super) claims: Claims,
    pub(super) items: Vec<Queued<ReceiptItem>>,
}

impl Merge for Acknowledged {
    fn merge(&mut self, later: Acknowledged) {
        if is_higher(later.cursor, self.cursor) {
            self.cursor = later.cursor;
        }
        self.claims.merge(later.claims);
        self.items.extend(later.items);
    }
}

/// Why something was not stored.
enum NotStored {
    /// Marks of a pair: that was told already.
    Pair,
    Record(ChangeError),
}

impl<E: Into<ChangeError>> From<E> for NotStored {
    fn from(error: E) -> NotStored {
        NotStored::Record(error.into())
    }
}

/// Stores it, and takes the items off the queue then. Otherwise they come again.
pub(super) async fn store(shared: &Shared, whose: Whose, said: Acknowledged) {
    match try_store(shared, &whose, &said).await {
        Ok(changed) => {
            shared.metrics.stored.inc_by(u64::from(changed));
            for item in said.items {
                item.ack().await;
            }
        }
        Err(NotStored::Pair) => {}
        Err(NotStored::Record(why)) => {
            why.tell(shared.shard, &whose.user, "a receipt was not stored, it will come again");
            shared.metrics.failed.inc();
        }
    }
}

/// Gives whether the device's record was raised.
async fn try_store(shared: &Shared, whose: &Whose, said: &Acknowledged) -> Result<bool, NotStored> {
    let Whose { user, device, log, opened } = whose;
    if whose.is_mailbox() {
        let subject = subject::device_record(&shared.context.settings.region, shared.shard, user, device, log);
        let (stored, _) = shared.devices.records.load(shared.shard, &subject).await?;
        if counts(&stored, *opened) {
            let news = said.claims.news(stored.cursor.as_ref());
            if !tell_senders(shared, user, news).await? {
                return Err(NotStored::Pair);
            }
        }
    }
    Ok(shared.devices.change(user, device, log, |stored| raised(stored, said.cursor, *opened)).await?)
}

/// Raises the marks of those who sent what is new. Gives whether all of them are stored.
async fn tell_senders(shared: &Shared, by: &UserName, news: News) -> Result<bool, ChangeError> {
    let mut raises: HashMap<UserName, Raise> = HashMap::new();
    let mut raise = |sender: UserName, said: Raise| raises.entry(sender).or_default().merge(said);
    for Known { sender, epoch, order, run } in news.known {
        raise(sender, Raise::delivered(epoch, order, run));
    }
    let mut read = stream::iter(news.unread)
        .map(|unread: Unread| async move { (unread, mailbox::senders(shared, by, unread).await) })
        .buffer_unordered(READS);
    while let Some((Unread { epoch, run, .. }, found)) = read.next().await {
        for (sender, order) in found? {
            raise(sender, Raise::delivered(epoch, order, run));
        }
    }
    drop(read);
    let told = raises.into_iter().filter(|(sender, _)| sender != by).map(|(sender, raise)| {
        let pair = Pair { sender, by: by.clone() };
        shared.pairs.raise(pair, raise)
    });
    Ok(join_all(told).await.into_iter().all(|stored| stored))
}
