//! Questions that are under way on a line: each has a number below one inbox, and its answer bears it.
//!
//! The number that became free last is given next, so that the server, which remembers the subjects that it saw last, sees few. One whose
//! answer did not come is never given again on its line: the answer may still come.

use std::{
    collections::HashMap,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// Who waits for which answer, of type `A`.
#[derive(Debug)]
pub(crate) struct Replies<A> {
    slots: Mutex<Slots<A>>,
}

#[derive(Debug)]
struct Slots<A> {
    waiting: HashMap<u64, Slot<A>>,
    free: Vec<u64>,
    /// The first number that was never given.
    next: u64,
    closed: bool,
}

#[derive(Debug)]
enum Slot<A> {
    Asked(Option<Waker>),
    Answered(A),
}

/// A question under way. Resolves to its answer; to `None` when the line is lost. Dropping it gives the answer up.
#[derive(Debug)]
pub(crate) struct Answer<'a, A> {
    replies: &'a Replies<A>,
    number: u64,
    /// Whether the number is still this question's.
    open: bool,
}

impl<A> Default for Replies<A> {
    fn default() -> Replies<A> {
        let slots = Slots { waiting: HashMap::new(), free: Vec::new(), next: 0, closed: false };
        Replies { slots: Mutex::new(slots) }
    }
}

impl<A> Replies<A> {
    /// A question, to be sent with its number; `None` when the line is lost.
    pub(crate) fn ask(&self) -> Option<Answer<'_, A>> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return None;
        }
        let number = slots.free.pop().unwrap_or_else(|| {
            slots.next += 1;
            slots.next - 1
        });
        slots.waiting.insert(number, Slot::Asked(None));
        Some(Answer { replies: self, number, open: true })
    }

    /// What came as an answer to a number.
    pub(crate) fn answered(&self, number: u64, answer: A) {
        let mut slots = self.slots.lock();
        // Nobody waits for what was given up, and the first answer counts.
        if let Some(slot @ Slot::Asked(_)) = slots.waiting.get_mut(&number)
            && let Slot::Asked(Some(waker)) = std::mem::replace(slot, Slot::Answered(answer))
        {
            drop(slots);
            waker.wake();
        }
    }

    /// The line is lost: nothing more is answered, and nothing more is asked.
    pub(crate) fn close(&self) {
        let mut slots = self.slots.lock();
        slots.closed = true;
        let waiting = std::mem::take(&mut slots.waiting);
        drop(slots);
        for slot in waiting.into_values() {
            if let Slot::Asked(Some(waker)) = slot {
                waker.wake();
            }
        }
    }
}

impl<A> Answer<'_, A> {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl<A> Future for Answer<'_, A> {
    type Output = Option<A>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A>> {
        let Answer { replies, number, open } = &mut *self;
        let mut slots = replies.slots.lock();
        match slots.waiting.get_mut(number) {
            None => Poll::Ready(None),
            Some(Slot::Asked(waker)) => {
                if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            Some(Slot::Answered(_)) => {
                *open = false;
                slots.free.push(*number);
                let answer = slots.waiting.remove(number);
                match answer {
                    Some(Slot::Answered(answer)) => Poll::Ready(Some(answer)),
                    Some(Slot::Asked(_)) | None => Poll::Ready(None),
                }
            }
        }
    }
}

impl<A> Drop for Answer<'_, A> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let mut slots = self.replies.slots.lock();
        if let Some(Slot::Answered(_)) = slots.waiting.remove(&self.number) {
            slots.free.push(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn an_answer_goes_to_who_asked_and_its_number_is_given_next() {
        let replies = Replies::default();
        let (mut one, mut two) = (replies.ask().unwrap(), replies.ask().unwrap());
        assert_eq!((one.number(), two.number()), (0, 1));
        assert_eq!((&mut one).now_or_never(), None);
        replies.answered(1, "two");
        replies.answered(1, "two, again");
        replies.answered(0, "one");
        replies.answered(7, "nobody's");
        assert_eq!((&mut two).now_or_never(), Some(Some("two")));
        assert_eq!((&mut one).now_or_never(), Some(Some("one")));
        drop((one, two));
        let asked = [(); 2].map(|()| replies.ask().unwrap());
        assert_eq!(asked.each_ref().map(Answer::number), [0, 1], "given back last, given first");
    }

    #[test]
    fn a_number_whose_answer_did_not_come_is_never_given_again() {
        let replies = Replies::default();
        let (given_up, unread) = (replies.ask().unwrap(), replies.ask().unwrap());
        replies.answered(1, ());
        drop(given_up);
        // It was answered: nothing more can come.
        drop(unread);
        replies.answered(0, ());
        let asked = [(); 3].map(|()| replies.ask().unwrap());
        assert_eq!(asked.each_ref().map(Answer::number), [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_lost_line_answers_nobody() {
        let replies = Replies::<()>::default();
        let waiting = replies.ask().unwrap();
        let (answer, ()) = tokio::join!(waiting, async { replies.close() });
        assert_eq!(answer, None);
        assert!(replies.ask().is_none());
    }
}
