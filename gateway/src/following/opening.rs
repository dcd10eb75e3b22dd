//! Where the logs of groups go on for a device.

use std::{collections::BTreeMap, time::Duration};

use dunlin_nats::{ReadError, Record, RecordError};
use dunlin_schema::{
    Code, Cursor, GroupAddress, Log, LogName, Millis, Open, Peer, Position, Shard,
    counts::{GroupDevice, GroupMarks},
    cursor::CursorError,
    envelope::EnvelopeError,
    frame::{ServerFrame, StartAt},
    read::Source,
    record::Follows,
    subject,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::{connection::Connection, region::Region, remembered, session::Start};

/// Groups of which it is looked up at once where a device goes on.
const AT_ONCE: usize = 16;
/// The pause before storage that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a client says in its `hello` of where logs go on.
pub(crate) type Said = BTreeMap<Open<LogName>, StartAt>;

/// Which logs are to be followed, as far as they are not.
pub(crate) enum Which {
    /// Those of all groups that the user is in, or was; the client says this of where they go on, and is told what of it is of no use.
    Greeted(Said),
    /// The same later.
    All(Said),
    /// That of one group, of which the client said this.
    One(LogName, Option<StartAt>),
    /// That of a group which has ended here, if the user has become a member since; whoever has not stayed one has something more to be
    /// given as well, once.
    Again {
        /// The log.
        log: LogName,
        /// Where it has ended.
        at: Position,
        /// Whether it has ended there before.
        again: bool,
    },
}

/// What is to be followed, and what is said about it.
#[derive(Default)]
pub(crate) struct Opens {
    pub(crate) logs: Vec<(LogName, Start)>,
    pub(crate) answers: Vec<ServerFrame>,
}

/// Finds out what is to be followed for a device. It takes as long as storage takes to answer.
pub(crate) async fn find(region: &Region, connection: &Connection, which: Which) -> Opens {
    loop {
        match try_find(region, connection, &which).await {
            Ok(found) => return found,
            Err(error) => {
                region.metrics.failed_reads.inc();
                tracing::debug!(%error, user = %connection.user(), "it is not known which groups somebody is in");
            }
        }
        sleep(AGAIN).await;
    }
}

async fn try_find(region: &Region, connection: &Connection, which: &Which) -> Result<Opens, RecordError> {
    match which {
        Which::Greeted(said) => all(region, connection, said).await,
        Which::All(said) => Ok(Opens { answers: Vec::new(), ..all(region, connection, said).await? }),
        Which::One(log, said) => match one(region, connection, log).await? {
            Some(follows) => opened(region, connection, log, follows, said.as_ref()).await,
            None => Ok(Opens::default()),
        },
        Which::Again { log, at, again } => match one(region, connection, log).await? {
            Some(follows) if (follows.is_member || !again) && follows.at.above(at) => {
                opened(region, connection, log, follows, None).await
            }
            Some(_) | None => Ok(Opens::default()),
        },
    }
}

/// What the user is in one group, as the leader says.
async fn one(region: &Region, connection: &Connection, log: &LogName) -> Result<Option<Follows>, ReadError> {
    let LogName::Group(address) = log else { return Ok(None) };
    let shard = connection.shard();
    let subject = subject::follows(region.name(), shard, connection.user(), &address.group);
    let found = region.reads.state(&subject, shard, Source::Leader).await?;
    Ok(found.and_then(|(bytes, ..)| readable(&subject, Follows::decode(&bytes))))
}

/// A log that the user is given, or was. What a client wants that only comes later begins with what its user may read.
async fn opened(
    region: &Region,
    connection: &Connection,
    log: &LogName,
    follows: Follows,
    said: Option<&StartAt>,
) -> Result<Opens, RecordError> {
    let of = region.log(connection.user(), log);
    let start = match said {
        Some(StartAt::Cursor(text)) => text.open(&of).ok().map(Start::Cursor),
        Some(StartAt::Beginning | StartAt::Live) | None => None,
    };
    let start = match start {
        Some(start) => start,
        None => {
            let removed = removed(region, connection).await?;
            acknowledged(region, connection, &of, removed).await?.map_or(Start::Beginning, Start::Cursor)
        }
    };
    let logs = has_more(&follows, &start).then(|| (region.directory.shared(log.clone()), start));
    Ok(Opens { logs: logs.into_iter().collect(), answers: Vec::new() })
}

/// The logs of all groups.
async fn all(region: &Region, connection: &Connection, said: &Said) -> Result<Opens, RecordError> {
    let (user, shard) = (connection.user(), connection.shard());
    let mut opens = Opens::default();
    let mut named = said.clone();
    let mut found = Vec::new();
    for (subject, record) in records(region, shard, &subject::all_follows(region.name(), shard, user)).await? {
        let Some((_, group)) = subject::parse_follows(&subject) else { continue };
        let Some(follows) = readable(&subject, Follows::decode(&record.bytes)) else { continue };
        let log = LogName::group(GroupAddress { group, region: None });
        let of = region.log(user, &log);
        let said = named.get(&log.clone().into()).map(|at| begins(at, &of)).transpose();
        let start = said.unwrap_or_else(|error| {
            region.metrics.unopened_cursors.inc();
            let message = format!("{log}: {error}; it goes on after what was acknowledged");
            opens.answers.push(ServerFrame::refused(Code::BadCursor, message));
            None
        });
        found.push((log, of, follows, start));
    }
    let removed = match found.iter().any(|(.., start)| start.is_none()) {
        true => removed(region, connection).await?,
        false => None,
    };
    let starts = found.into_iter().map(async |(log, of, follows, start)| {
        let start = match start {
            Some(start) => start,
            None => acknowledged(region, connection, &of, removed).await?.map_or(Start::Beginning, Start::Cursor),
        };
        Ok::<_, RecordError>((log, follows, start))
    });
    let mut starts = stream::iter(starts).buffered(AT_ONCE);
    while let Some((log, follows, start)) = starts.try_next().await? {
        if has_more(&follows, &start) {
            named.remove(&log.clone().into());
            opens.logs.push((region.directory.shared(log), start));
        }
    }
    drop(starts);
    opens.answers.extend(passed_over(named.keys()));
    Ok(opens)
}

/// When the device was last removed, as its record in the mailbox says: what it acknowledged before counts no more.
async fn removed(region: &Region, connection: &Connection) -> Result<Option<Millis>, ReadError> {
    let mailbox = Peer::User(connection.user().clone());
    Ok(remembered::record(region, &mailbox, connection.user(), connection.device()).await?.removed)
}

/// What the device has acknowledged of a group's log, as the leader says.
async fn acknowledged(
    region: &Region,
    connection: &Connection,
    log: &Log,
    removed: Option<Millis>,
) -> Result<Option<Cursor>, ReadError> {
    let Peer::Group(group) = &log.owner else { return Ok(None) };
    let (user, device) = (connection.user(), connection.device());
    let subject = subject::group_marks(region.name(), log.shard, group, GroupMarks::part(user));
    let stored = region.reads.state(&subject, log.shard, Source::Leader).await?;
    let marks = stored.and_then(|(bytes, ..)| readable(&subject, GroupMarks::decode(&bytes))).unwrap_or_default();
    let known = marks.members.get(user).and_then(|member| member.devices.iter().find(|known| known.device == *device));
    let counts = |known: &&GroupDevice| removed.is_none_or(|removed| removed < known.opened);
    Ok(known.filter(counts).map(|known| known.cursor))
}

/// Whether a device that stands there may yet be given something.
fn has_more(follows: &Follows, start: &Start) -> bool {
    follows.is_member
        || match start {
            Start::Beginning => true,
            Start::Live => false,
            Start::Cursor(cursor) => follows.at.above(&cursor.position),
        }
}

/// Where the client says a log goes on. A cursor that can't be opened is no reason to go, since another release may have made it: the
/// log goes on after what the device acknowledged, which is never more than it has, so that no gap is owed.
pub(crate) fn begins(at: &StartAt, log: &Log) -> Result<Start, CursorError> {
    match at {
        StartAt::Beginning => Ok(Start::Beginning),
        StartAt::Live => Ok(Start::Live),
        StartAt::Cursor(text) => text.open(log).map(Start::Cursor),
    }
}

/// What a client says, with its logs named as entries of this region name them.
pub(crate) fn here(region: &Region, said: Said) -> Said {
    let named = |log: Open<LogName>| match &log {
        Open::Known(LogName::Group(address)) if address.region.as_ref() == Some(region.name()) => {
            LogName::group(GroupAddress { group: address.group.clone(), region: None }).into()
        }
        Open::Known(LogName::Group(_) | LogName::Mailbox) | Open::Unknown(_) => log,
    };
    said.into_iter().map(|(log, at)| (named(log), at)).collect()
}

/// What a device is told of the logs in its `hello` that are not followed for it: a cursor is no permission, and no reason to go either,
/// since it may be of a group that its person has left.
fn passed_over<'a>(others: impl Iterator<Item = &'a Open<LogName>>) -> Option<ServerFrame> {
    const SHOWN: usize = 8;
    let mut others = others;
    let shown: Vec<String> = others.by_ref().take(SHOWN).map(Open::shortened).collect();
    let (names, more) = (shown.join(", "), others.count());
    let message = match (shown.is_empty(), more) {
        (true, _) => return None,
        (false, 0) => format!("this gateway does not follow {names} for you"),
        (false, more) => format!("this gateway does not follow {names} and {more} more for you"),
    };
    Some(ServerFrame::refused(Code::UnknownLog, message))
}

/// All records of the shard's STATE whose subjects match a pattern.
async fn records(region: &Region, shard: Shard, pattern: &str) -> Result<Vec<(String, Record)>, RecordError> {
    let mut found = Vec::new();
    let keep = |subject, record| {
        found.push((subject, record));
        Ok::<_, RecordError>(())
    };
    region.records.each_of_few(&region.reads, shard, pattern, keep).await?;
    Ok(found)
}

/// What a record says; nothing where that can't be read.
fn readable<T>(subject: &str, record: Result<T, EnvelopeError>) -> Option<T> {
    record.inspect_err(|error| tracing::error!(subject, %error, "a record can't be read: it is passed over")).ok()
}
