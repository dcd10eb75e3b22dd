//! The publishes that are under way on one link: all their answers come to one subscription.

use std::{collections::HashMap, sync::Arc};

use async_nats::{Client, HeaderMap, Message, StatusCode, Subject, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::AbortHandle};

use super::core::PublishFailure;
use crate::{
    Pace,
    outbox::{Outbox, Outgoing},
};

/// More than the headers of any append take: they hold a log's, a sender's and a message's name.
const HEADERS: usize = 1_024;

/// Publishes on one connection, each with its answer.
#[derive(Debug)]
pub(super) struct Pipeline {
    outbox: Outbox,
    /// What the answers' subjects begin with.
    inbox: String,
    /// The most bytes that the server takes in one message.
    most: usize,
    waiting: Arc<Waiting>,
    answers: AbortHandle,
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl Pipeline {
    /// Errors: the connection is closed.
    pub(super) async fn over(client: Client) -> Result<Pipeline, SubscribeError> {
        let inbox = client.new_inbox() + ".";
        let answers = client.subscribe(format!("{inbox}*")).await?;
        let waiting = Arc::new(Waiting::default());
        let answers = tokio::spawn(take_answers(answers, waiting.clone())).abort_handle();
        let most = client.server_info().max_payload;
        Ok(Pipeline { outbox: Outbox::over(client), inbox, most, waiting, answers })
    }

    /// Publishes and waits for the answer, which may never come. Dropping it gives the answer up.
    pub(super) async fn ask(
        &self,
        subject: Subject,
        headers: HeaderMap,
        payload: Bytes,
        pace: Pace,
    ) -> Result<Bytes, PublishFailure> {
        if payload.len() + HEADERS > self.most {
            return Err(PublishFailure::TooLarge);
        }
        let (pending, answer) = Pending::among(&self.waiting).ok_or(PublishFailure::Unknown)?;
        let call = Some((format!("{}{}", self.inbox, pending.number).into(), headers));
        self.outbox.publish(Outgoing { subject, payload, call }, pace).await.map_err(|_| PublishFailure::Unknown)?;
        answer.await.map_err(|_| PublishFailure::Unknown)
    }

    /// The connection is lost: nothing more is answered on it, and nothing more is asked.
    pub(super) fn close(&self) {
        self.waiting.0.lock().open = None;
    }
}

/// Who waits for which answer.
#[derive(Debug)]
struct Waiting(Mutex<Numbered>);

#[derive(Debug)]
struct Numbered {
    next: u64,
    /// `None` when the connection is lost.
    open: Option<HashMap<u64, oneshot::Sender<Bytes>>>,
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting(Mutex::new(Numbered { next: 0, open: Some(HashMap::new()) }))
    }
}

/// A request under way, whose number its answer will bear. Dropping it gives the answer up.
struct Pending<'a> {
    waiting: &'a Waiting,
    number: u64,
}

impl Pending<'_> {
    fn among(waiting: &Waiting) -> Option<(Pending<'_>, oneshot::Receiver<Bytes>)> {
        let mut numbered = waiting.0.lock();
        let number = numbered.next;
        let (sender, answer) = oneshot::channel();
        numbered.open.as_mut()?.insert(number, sender);
        numbered.next += 1;
        Some((Pending { waiting, number }, answer))
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(open) = &mut self.waiting.0.lock().open {
            open.remove(&self.number);
        }
    }
}

async fn take_answers(mut answers: Subscriber, waiting: Arc<Waiting>) {
    while let Some(message) = answers.next().await {
        let Some(number) = number(&message) else { continue };
        let asked = waiting.0.lock().open.as_mut().and_then(|open| open.remove(&number));
        // "No responders" is no answer: an election is under way. Dropping the sender says so.
        if let Some(asked) = asked
            && message.status != Some(StatusCode::NO_RESPONDERS)
        {
            // A small copy: the payload is a slice of the connection's whole read buffer. Whoever asked may have given up.
            asked.send(Bytes::copy_from_slice(&message.payload)).ok();
        }
    }
}

fn number(message: &Message) -> Option<u64> {
    message.subject.rsplit('.').next()?.parse().ok()
}
