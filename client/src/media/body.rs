//! The body of a part that is sent, which tells how far it is.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What is handed to the connection at a time.
const CHUNK: usize = 64 * 1024;

/// How much of a file is there, and whom to tell.
#[derive(Clone)]
pub(super) struct Progress {
    there: Arc<AtomicU64>,
    tell: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Progress {
    pub(super) fn new(tell: impl Fn(u64) + Send + Sync + 'static) -> Progress {
        Progress { there: Arc::default(), tell: Arc::new(tell) }
    }

    /// So many bytes are there.
    pub(super) fn at(&self, there: u64) {
        self.there.store(there, Ordering::Relaxed);
        (self.tell)(there);
    }

    /// A part of it, of which nothing is there.
    pub(super) fn part(&self) -> Share {
        Share { of: self.clone(), there: Arc::default() }
    }
}

/// How much of a part is there.
#[derive(Clone)]
pub(super) struct Share {
    of: Progress,
    there: Arc<AtomicU64>,
}

impl Share {
    fn more(&self, bytes: u64) {
        self.there.fetch_add(bytes, Ordering::Relaxed);
        (self.of.tell)(self.of.there.fetch_add(bytes, Ordering::Relaxed) + bytes);
    }

    /// Nothing of it is there after all.
    pub(super) fn none(&self) {
        let bytes = self.there.swap(0, Ordering::Relaxed);
        (self.of.tell)(self.of.there.fetch_sub(bytes, Ordering::Relaxed) - bytes);
    }
}

/// Bytes that count themselves as they go. Their length is told beforehand: stores take no other parts.
pub(super) struct Counted {
    left: Bytes,
    share: Share,
}

impl Counted {
    pub(super) fn new(bytes: Bytes, share: &Share) -> Counted {
        Counted { left: bytes, share: share.clone() }
    }

    pub(super) fn into_body(self) -> reqwest::Body {
        reqwest::Body::wrap(self)
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.left.len().min(CHUNK);
        let chunk = self.left.split_to(length);
        self.share.more(length as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
