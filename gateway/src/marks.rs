//! A user's marks, read from STATE for a session; and the comparison of marks, which finds what was lost on its way (`rounds`).

mod changed;
mod rounds;

use dunlin_nats::{MarkValue, MarksPage, StoredMark};
use dunlin_schema::Seq;

use crate::{
    connection::Connection,
    region::Region,
    session::{
        Input, ReadFailed,
        marks::{MarksRead, News},
    },
};

pub(crate) use self::rounds::run as compare;

/// Reads a page of the marks of a connection's user.
pub(crate) async fn read(region: &Region, connection: &Connection, after: Seq) -> Input {
    region.metrics.mark_reads.inc();
    let page = region.marks.of(connection.shard(), connection.user(), after).await;
    Input::Marks(match page {
        Ok(MarksPage { marks, upto, more }) => {
            Ok(MarksRead { news: marks.into_iter().flat_map(told).collect(), upto, more })
        }
        Err(error) => {
            region.metrics.failed_reads.inc();
            tracing::debug!(%error, user = %connection.user(), "marks could not be read");
            Err(ReadFailed)
        }
    })
}

fn told(StoredMark { of, value, revision }: StoredMark) -> Vec<News> {
    match value {
        MarkValue::Sent(marks) => News::of_sent(of, marks, revision).into_iter().collect(),
        MarkValue::SentToGroup(marks) => News::of_sent_to_group(of, marks, revision).collect(),
        MarkValue::Read(mark) => vec![News::of_read(of, mark, revision)],
    }
}
