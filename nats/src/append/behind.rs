//! Appends of a writer who knows where its log ends: each goes behind the entry that the writer takes for the last one, or nowhere.
//!
//! A server that lost its end gives its sequences again. So whoever takes a [`Hold`] asks the log's leader after that, once, whether what
//! it knows of the log still stands there: a server that loses it later has closed the hold's link before, and a link never reconnects.
//! What was given up, and is stored later all the same, is stored behind the very entry that it was meant to stand behind.

use std::{sync::Arc, time::Duration};

use dunlin_schema::{Entry, Log, Millis, Seq};

use super::{Appender, Prepared, link::Link};
use crate::append::core::{PubAck, PublishFailure};

/// One connection that appends, until it is lost.
#[derive(Clone, Debug)]
pub struct Hold {
    link: Arc<Link>,
}

impl Appender {
    /// The connection that appends now, or the next one if it comes within this span.
    pub async fn hold(&self, within: Millis) -> Option<Hold> {
        let link = self.shared.keeper.within(Duration::from_millis(within.0)).await?;
        Some(Hold { link })
    }
}

impl Hold {
    /// Which connection it is: they are counted, from 1.
    pub fn number(&self) -> u64 {
        self.link.number
    }

    /// Whether the streams' duplicate windows hold every id of the last two minutes, as far as is known: what is younger is dropped there
    /// when it comes again.
    pub fn window_whole(&self) -> bool {
        self.link.window_whole()
    }

    /// Stores the entry in a log whose last one stands at `behind`; `Seq(0)`: in one that has none. Errors: see [`PublishFailure`].
    pub async fn append(&self, log: &Log, entry: &Entry, behind: Seq) -> Result<PubAck, PublishFailure> {
        Prepared::of(log, entry).on(&self.link, Some(behind)).await
    }
}
