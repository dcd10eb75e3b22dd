//! What waits for the socket: answers, which are never dropped, and a log's frames, which are dropped when there are too many, because the
//! log still has them.

use std::collections::VecDeque;

use dunlin_schema::{Cursor, frame::ServerFrame, limits::Bounds};

/// What a queued frame costs beside its content.
const FRAME_COST: usize = 128;

/// What waits for one socket. An empty one holds no memory.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    answers: VecDeque<ServerFrame>,
    frames: VecDeque<Queued>,
    bytes: usize,
}

#[derive(Debug)]
struct Queued {
    frame: ServerFrame,
    bytes: usize,
    /// Where this frame takes the device.
    to: Cursor,
    /// Where the log stands once it is taken: behind what follows it without a frame.
    then: Cursor,
}

/// A frame that was taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) frame: ServerFrame,
    /// For a log's frame, where it takes the device, and where the log stands then.
    pub(super) moves: Option<(Cursor, Cursor)>,
}

impl Outbound {
    /// Queues answers.
    pub(super) fn answers(&mut self, frames: impl IntoIterator<Item = ServerFrame>) {
        self.answers.extend(frames);
    }

    /// How many answers wait.
    pub(super) fn answers_waiting(&self) -> usize {
        self.answers.len()
    }

    /// Whether an entry of so many bytes fits. One always does.
    pub(super) fn has_room(&self, content: usize, bounds: &Bounds) -> bool {
        self.frames.is_empty()
            || self.frames.len() < bounds.outbound_frames && self.bytes + content + FRAME_COST <= bounds.outbound_bytes
    }

    /// Whether at least half of it is free: then reading on is worth it.
    pub(super) fn is_half_empty(&self, bounds: &Bounds) -> bool {
        self.frames.len() * 2 <= bounds.outbound_frames && self.bytes * 2 <= bounds.outbound_bytes
    }

    /// Queues a frame of the log that holds so many bytes, and that takes the device to `to`.
    pub(super) fn push(&mut self, frame: ServerFrame, content: usize, to: Cursor) {
        let bytes = content + FRAME_COST;
        self.bytes += bytes;
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

    /// Drops the log's frames. Returns whether a `caught_up` was among them.
    pub(super) fn drop_frames(&mut self) -> bool {
        self.bytes = 0;
        let dropped = std::mem::take(&mut self.frames);
        dropped.iter().any(|queued| matches!(queued.frame, ServerFrame::CaughtUp { .. }))
    }

    /// The next frame. Answers come first: somebody waits for them.
    pub(super) fn take(&mut self) -> Option<Taken> {
        if let Some(frame) = pop(&mut self.answers) {
            return Some(Taken { frame, moves: None });
        }
        let Queued { frame, bytes, to, then } = pop(&mut self.frames)?;
        self.bytes -= bytes;
        Some(Taken { frame, moves: Some((to, then)) })
    }

    /// How many of the log's frames wait.
    #[cfg(test)]
    pub(super) fn waits(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.frames.is_empty()
    }
}

/// Takes the first one, and gives the memory back with the last.
fn pop<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let first = queue.pop_front();
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
    first
}
