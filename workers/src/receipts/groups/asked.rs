//! Says how far a message has come: to how many members of its group, or to whom. Any worker of the shard can: it looks first.

use dunlin_nats::Reply;
use dunlin_schema::counts::{CountsAnswer, CountsRequest};

use crate::receipts::{
    Shared,
    core::{members::Count, tally::Tally},
};

/// Answers, or leaves it to others where it can't look.
pub(in crate::receipts) async fn answer(shared: &Shared, question: CountsRequest, reply: Reply<CountsAnswer>) {
    let known = shared.groups.of(&question.group);
    let mut known = known.lock().await;
    match known.look(shared, &question.group).await {
        Ok(()) => {
            let answer = said(&known.tally, question);
            drop(known);
            reply.answer(&answer).await;
        }
        Err(why) => {
            why.tell(shared.shard, &question.group, "it is not known how far a message has come");
            shared.metrics.declined.inc();
        }
    }
}

fn said(tally: &Tally, CountsRequest { sender, order, page, .. }: CountsRequest) -> CountsAnswer {
    match page {
        None => {
            let Count { delivered, read, of } = tally.count(order, &sender);
            CountsAnswer::Counted { delivered, read, of }
        }
        Some(page) => {
            let (items, next) = tally.reached(order, &sender, &page);
            CountsAnswer::Members { items, next }
        }
    }
}
