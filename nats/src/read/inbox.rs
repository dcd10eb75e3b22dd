//! Where the replies come to a question that has several: an inbox is kept from one read to the next, because to subscribe costs more than
//! to ask, and whoever ends its subscription gives back the memory of a whole batch.

use std::time::Duration;

use async_nats::{Client, Message, SubscribeError, Subscriber};
use futures_util::StreamExt;
use tokio::time::timeout;

/// A subscription whose questions come one after the other.
#[derive(Debug)]
pub(super) struct Inbox {
    prefix: String,
    replies: Subscriber,
    asked: u64,
}

impl Inbox {
    /// Subscribes. Errors: the connection is closed.
    pub(super) async fn open(client: &Client) -> Result<Inbox, SubscribeError> {
        let prefix = client.new_inbox();
        let replies = client.subscribe(format!("{prefix}.*")).await?;
        Ok(Inbox { prefix, replies, asked: 0 })
    }

    /// Where the next question is to be answered. From now on nothing else counts as an answer.
    pub(super) fn next_question(&mut self) -> String {
        self.asked += 1;
        self.question()
    }

    fn question(&self) -> String {
        format!("{}.{}", self.prefix, self.asked)
    }

    /// The next reply; `None` where it takes longer than `within`, or none comes any more. What came too late for a question before is
    /// passed over.
    pub(super) async fn reply(&mut self, within: Duration) -> Option<Message> {
        let question = self.question();
        loop {
            let message = timeout(within, self.replies.next()).await.ok()??;
            if *message.subject == *question {
                return Some(message);
            }
        }
    }
}
