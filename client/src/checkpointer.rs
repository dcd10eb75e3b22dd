//! Saves cursors in the order of what they stand for, and tells the core what to acknowledge.

use std::{collections::BTreeMap, sync::Arc};

use dunlin_schema::{LogName, Open};
use tokio::sync::{Mutex, watch};

use crate::{
    core::{Acknowledged, Progress},
    error::StoreError,
    store::CursorStore,
};

/// Which cursor of a log to save, decided without I/O. `done` and `skipped` say what to save; `saved` that it is.
#[derive(Debug, Default)]
struct Marks {
    done: u64,
    skipped: Option<Progress>,
}

impl Marks {
    /// The application has stored everything up to `place`. `None`: that was known.
    fn done(&self, place: Progress) -> Option<Progress> {
        if place.ordinal <= self.done {
            return None;
        }
        Some(self.skipped.clone().filter(|skipped| skipped.ordinal == place.ordinal).unwrap_or(place))
    }

    /// A repeat that was not given stood right after `place.ordinal`. `Some`: everything before it is done, so it is as well.
    fn skipped(&mut self, place: Progress) -> Option<Progress> {
        match place.ordinal.cmp(&self.done) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(place),
            std::cmp::Ordering::Greater => {
                self.skipped = Some(place);
                None
            }
        }
    }

    fn saved(&mut self, place: &Progress) {
        self.done = place.ordinal;
        self.skipped.take_if(|skipped| skipped.ordinal <= place.ordinal);
    }
}

/// Saves cursors. It outlives the client's task, so that what was given can be done when the client is over.
pub(crate) struct Checkpointer {
    store: Arc<dyn CursorStore>,
    marks: Mutex<BTreeMap<Open<LogName>, Marks>>,
    acknowledged: watch::Sender<BTreeMap<Open<LogName>, Acknowledged>>,
}

impl Checkpointer {
    pub(crate) fn new(
        store: Arc<dyn CursorStore>,
    ) -> (Arc<Checkpointer>, watch::Receiver<BTreeMap<Open<LogName>, Acknowledged>>) {
        let (acknowledged, receiver) = watch::channel(BTreeMap::new());
        (Arc::new(Checkpointer { store, marks: Mutex::default(), acknowledged }), receiver)
    }

    async fn done(&self, place: Progress) -> Result<(), StoreError> {
        let mut marks = self.marks.lock().await;
        let marks = marks.entry(place.log.clone()).or_default();
        match marks.done(place) {
            Some(place) => self.save(marks, place).await,
            None => Ok(()),
        }
    }

    /// A repeat was not given, but its cursor is the newer one.
    pub(crate) async fn skip(&self, place: Progress) {
        let mut marks = self.marks.lock().await;
        let marks = marks.entry(place.log.clone()).or_default();
        if let Some(place) = marks.skipped(place)
            && let Err(error) = self.save(marks, place).await
        {
            tracing::warn!(%error, "the cursor of a repeat was not kept: the repeat may be seen again after a restart");
        }
    }

    async fn save(&self, marks: &mut Marks, place: Progress) -> Result<(), StoreError> {
        let (store, log, cursor) = (self.store.clone(), place.log.clone(), place.cursor.clone());
        tokio::task::spawn_blocking(move || store.save(&log, &cursor))
            .await
            .map_err(|error| StoreError { doing: "saving a cursor".to_owned(), why: error.to_string() })??;
        marks.saved(&place);
        let acknowledged = Acknowledged { gaps: place.gaps, seq: place.seq };
        self.acknowledged.send_modify(|all| {
            all.insert(place.log, acknowledged);
        });
        Ok(())
    }
}

/// Something given that can be said to be done.
pub(crate) struct Mark {
    pub(crate) place: Progress,
    pub(crate) checkpointer: Arc<Checkpointer>,
}

impl Mark {
    pub(crate) async fn done(&self) -> Result<(), StoreError> {
        self.checkpointer.done(self.place.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Cursor, CursorText, Log, Position, RegionName, Seq, UserName};

    use super::*;
    use crate::store::Cursors;

    fn place(ordinal: u64, seq: u64) -> Progress {
        let log = Log::mailbox(&RegionName::new("eu").unwrap(), 8, &UserName::new("bob").unwrap());
        let position = Position { seq: Seq(seq), ..Position::default() };
        Progress {
            log: LogName::Mailbox.into(),
            ordinal,
            gaps: 0,
            seq: Seq(seq),
            cursor: Cursor { position, ..Cursor::default() }.seal(&log),
        }
    }

    #[test]
    fn done_is_cumulative_and_never_goes_back() {
        let mut marks = Marks::default();
        assert_eq!(marks.done(place(3, 30)), Some(place(3, 30)));
        marks.saved(&place(3, 30));
        assert_eq!(marks.done(place(2, 20)), None, "an older one");
        assert_eq!(marks.done(place(3, 30)), None, "the same once more");
        assert_eq!(marks.done(place(4, 40)), Some(place(4, 40)));
    }

    #[test]
    fn a_skipped_repeat_moves_the_cursor_only_when_all_before_it_is_done() {
        let mut marks = Marks::default();
        assert_eq!(marks.skipped(place(2, 25)), None, "two were given before it and neither is done");
        assert_eq!(marks.done(place(1, 10)), Some(place(1, 10)));
        marks.saved(&place(1, 10));
        assert_eq!(marks.done(place(2, 20)), Some(place(2, 25)), "the repeat's cursor is the newer one");
        marks.saved(&place(2, 25));
        assert_eq!(marks.skipped(place(2, 26)), Some(place(2, 26)), "nothing is open");
        marks.saved(&place(2, 26));
        assert_eq!(marks.done(place(3, 30)), Some(place(3, 30)));
        marks.saved(&place(3, 30));
        assert_eq!(marks.skipped(place(2, 27)), None, "late: a newer one is saved");
    }

    #[tokio::test]
    async fn each_log_is_kept_and_acknowledged_by_itself() {
        let store = Arc::new(crate::store::MemoryStore::default());
        let (checkpointer, acknowledged) = Checkpointer::new(store.clone());
        let team: Open<LogName> = Open::of_text("#team");
        let (mailbox, first) = (place(5, 50), Progress { log: team.clone(), ..place(1, 10) });
        for place in [mailbox.clone(), first.clone()] {
            Mark { place, checkpointer: checkpointer.clone() }.done().await.unwrap();
        }
        let kept = Cursors::from([(LogName::Mailbox.into(), mailbox.cursor), (team.clone(), first.cursor)]);
        assert_eq!(store.load().unwrap(), kept);
        let seqs = acknowledged.borrow().values().map(|acknowledged| acknowledged.seq.0).collect::<Vec<_>>();
        assert_eq!(seqs, [50, 10]);
    }

    struct Full;
    impl CursorStore for Full {
        fn load(&self) -> Result<Cursors, StoreError> {
            Ok(Cursors::new())
        }
        fn save(&self, _: &Open<LogName>, _: &CursorText) -> Result<(), StoreError> {
            Err(StoreError { doing: "writing".to_owned(), why: "the disk is full".to_owned() })
        }
    }

    #[tokio::test]
    async fn what_was_not_kept_is_not_acknowledged() {
        let (checkpointer, acknowledged) = Checkpointer::new(Arc::new(Full));
        let mark = Mark { place: place(1, 10), checkpointer };
        assert!(mark.done().await.unwrap_err().to_string().contains("the disk is full"));
        assert!(!acknowledged.has_changed().unwrap());
        assert!(mark.done().await.is_err(), "and it is tried again");
    }
}
