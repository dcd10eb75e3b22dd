//! What waits for the socket of one log: frames that are dropped when there are too many, because the log still has them.

use std::collections::VecDeque;

use dunlin_schema::{Cursor, frame::ServerFrame, limits::Bounds};

use super::tail::Outgoing;

/// What a queued frame costs beside its content.
const FRAME_COST: usize = 128;

/// The frames of one log that wait for the socket. An empty queue holds no memory.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    frames: VecDeque<Queued>,
    bytes: usize,
}

#[derive(Debug)]
struct Queued {
    frame: Outgoing,
    bytes: usize,
    /// Where this frame takes the device.
    to: Cursor,
    /// Where the log stands once it is taken: behind what follows it without a frame.
    then: Cursor,
}

/// A frame that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) frame: Outgoing,
    /// Where it takes the device.
    pub(super) to: Cursor,
    /// Where the log stands then.
    pub(super) then: Cursor,
}

/// How much one log may have waiting: the socket's bounds, shared among the logs that have something waiting. The first has all of it, the
/// second half of it and so on, so together they hold less than six times the bounds where a hundred wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    frames: usize,
    bytes: usize,
}

impl Share {
    /// The share of a log beside `others` that have something waiting.
    pub(super) const fn beside(others: usize, bounds: &Bounds) -> Share {
        Share { frames: bounds.outbound_frames / (others + 1), bytes: bounds.outbound_bytes / (others + 1) }
    }
}

impl LogQueue {
    /// Whether an entry of so many bytes fits. One always does.
    pub(super) fn has_room(&self, content: usize, share: Share) -> bool {
        self.frames.is_empty() || self.frames.len() < share.frames && self.bytes + content + FRAME_COST <= share.bytes
    }

    /// Whether at least half of the share is free: then reading on is worth it.
    pub(super) fn is_half_empty(&self, share: Share) -> bool {
        self.frames.len() * 2 <= share.frames && self.bytes * 2 <= share.bytes
    }

    /// Queues a frame that holds so many bytes, and that takes the device to `to`.
    pub(super) fn push(&mut self, frame: Outgoing, content: usize, to: Cursor) {
        let bytes = content + FRAME_COST;
        self.bytes += bytes;
        // Mostly nothing else waits.
        if self.frames.capacity() == 0 {
            self.frames.reserve_exact(1);
        }
        self.frames.push_back(Queued { frame, bytes, to, then: to });
    }

    /// The log goes on to `then` without a frame. Returns false when no frame waits that could carry it.
    pub(super) fn pass(&mut self, then: Cursor) -> bool {
        match self.frames.back_mut() {
            Some(last) => {
                last.then = then;
                true
            }
            None => false,
        }
    }

    /// Where the last frame that waits takes the log.
    pub(super) fn end(&self) -> Option<Cursor> {
        self.frames.back().map(|last| last.then)
    }

    /// Drops all frames. Returns whether a `caught_up` was among them.
    pub(super) fn clear(&mut self) -> bool {
        self.bytes = 0;
        let dropped = std::mem::take(&mut self.frames);
        dropped.iter().any(|queued| matches!(queued.frame.frame(), ServerFrame::CaughtUp { .. }))
    }

    /// The next frame.
    pub(super) fn take(&mut self) -> Option<Taken> {
        let Queued { frame, bytes, to, then } = pop(&mut self.frames)?;
        self.bytes -= bytes;
        Some(Taken { frame, to, then })
    }

    /// How many frames wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// Takes the first one, and gives the memory back with the last.
pub(super) fn pop<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let first = queue.pop_front();
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
    first
}
