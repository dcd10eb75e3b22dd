//! The questions of one connection, decided without I/O: how many may be under way, and what becomes of answers while the socket is slow.
//!
//! Drive it: [`Asks::begin`] for each question, and where that says so, have it answered and give the answer to [`Asks::answered`]; the
//! writer takes answers with [`Asks::take`]. A question's place is free again when its answer was taken, so no more answers wait than
//! questions may be under way.

use std::collections::VecDeque;

use dunlin_schema::{
    frame::{Encoding, ServerFrame},
    limits,
};

use crate::refusal::Refusal;

/// The questions of one connection.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    /// Those under way, and those whose answer waits.
    taken: usize,
    /// Answers that wait for the socket, each with its bytes.
    answers: VecDeque<(ServerFrame, usize)>,
    bytes: usize,
}

impl Asks {
    /// Takes a place for a question. Errors: none is free.
    pub(crate) fn begin(&mut self) -> Result<(), Refusal> {
        if self.taken == limits::ASKS_IN_FLIGHT {
            let message = "too many questions wait for their answer: wait for some before asking more";
            return Err(Refusal::unavailable(message));
        }
        self.taken += 1;
        Ok(())
    }

    /// A question has its answer. Where too much waits already, the question is refused instead: whoever reads slowly asks again. Returns
    /// whether the answer was kept.
    pub(crate) fn answered(&mut self, answer: ServerFrame, encoding: Encoding) -> bool {
        let bytes = encoding.write(&answer).len();
        if let ServerFrame::Answer(frame) = &answer
            && self.bytes > 0
            && self.bytes + bytes > limits::OUTBOUND_BYTES
        {
            let message = "the answer found no room, because this socket reads slowly: ask again";
            self.answers.push_back((Refusal::unavailable(message).of(Some(frame.reference)), 0));
            return false;
        }
        self.bytes += bytes;
        self.answers.push_back((answer, bytes));
        true
    }

    /// The next answer to write.
    pub(crate) fn take(&mut self) -> Option<ServerFrame> {
        let (answer, bytes) = self.answers.pop_front()?;
        self.bytes -= bytes;
        self.taken -= 1;
        if self.answers.is_empty() {
            self.answers = VecDeque::new();
        }
        Some(answer)
    }

    /// Whether answers wait.
    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{
        Code, DeviceName,
        frame::{Answer, AnswerFrame, DeviceItem},
    };

    use super::*;

    fn done(reference: u64) -> ServerFrame {
        ServerFrame::Answer(AnswerFrame { reference, what: Answer::Done {}.into() })
    }

    /// An answer of about so many bytes in JSON.
    fn large(reference: u64, bytes: usize) -> ServerFrame {
        let device = DeviceName::new(&"d".repeat(limits::NAME_BYTES)).unwrap();
        let items = vec![DeviceItem { device, last_seen: None, here: false, title: None }; bytes / 100];
        ServerFrame::Answer(AnswerFrame { reference, what: Answer::Devices { items }.into() })
    }

    #[test]
    fn a_place_is_free_again_when_its_answer_was_taken() {
        let mut asks = Asks::default();
        for reference in 0..limits::ASKS_IN_FLIGHT as u64 {
            assert_eq!(asks.begin(), Ok(()), "{reference}");
        }
        assert_eq!(asks.begin().unwrap_err().code, Code::Unavailable);
        assert!(asks.answered(done(7), Encoding::Json));
        assert!(asks.begin().is_err(), "its answer waits");
        assert_eq!(asks.take(), Some(done(7)));
        assert_eq!((asks.take(), asks.has_answers()), (None, false));
        assert_eq!(asks.begin(), Ok(()));
        assert!(asks.begin().is_err());
    }

    #[test]
    fn an_answer_that_finds_no_room_is_a_refusal() {
        let mut asks = Asks::default();
        for _ in 0..4 {
            asks.begin().unwrap();
        }
        let half = limits::OUTBOUND_BYTES / 2;
        assert!(asks.answered(large(0, half), Encoding::Json));
        assert!(!asks.answered(large(1, 2 * half), Encoding::Json));
        assert!(asks.answered(done(2), Encoding::Json), "a small one still fits");
        assert_eq!(asks.take(), Some(large(0, half)));
        let Some(ServerFrame::Refused { reference: Some(1), code, retry_after: Some(_), .. }) = asks.take() else {
            panic!("no refusal");
        };
        assert_eq!(code, Code::Unavailable);
        assert_eq!(asks.take(), Some(done(2)));
        assert!(asks.answered(large(3, 2 * half), Encoding::Json), "one always fits");
        assert_eq!(asks.take(), Some(large(3, 2 * half)));
        assert_eq!((asks.bytes, asks.taken), (0, 0));
    }
}
