//! What changes the projection: entries come, and go.

mod groups;

use dunlin_schema::{MediaId, Peer, Position, Seq, StreamTime, UserName, envelope, index::Place, limits};
use redb::{ReadableTable, Table, WriteTransaction};

use self::groups::GroupTables;
use super::{
    ENTRIES, GROUP_MESSAGES, GROUP_STANDINGS, HISTORIES, Head, LATEST, MESSAGES, Of, POSITION, ProjectionError,
    REFERENCES, SIZES, STANDINGS, TURNS, VERSION, head,
    row::{self, About, EntryRow, MessageRow},
};
use crate::index::core::{Item, Standing, What, authors, group::Said};

/// Rows that go in one transaction, at most: further ones go in the next.
const GO_AT_ONCE: usize = 2_048;
/// A log with so many rows has some that are gone from it. More than the log keeps, so that it is looked at once for many.
const LOOKED_AT: u64 = limits::MAILBOX_ENTRIES + 1_024;

/// An entry of a log.
#[derive(Debug)]
pub(in crate::index) struct Taken {
    pub(in crate::index) at: Place,
    pub(in crate::index) meant: Meant,
}

/// Whose log it is of, and what it means, where it means anything here.
#[derive(Debug)]
pub(in crate::index) enum Meant {
    Mailbox(UserName, Option<Item>),
    Group(Peer, Option<Said>),
}

impl Taken {
    fn owner(&self) -> Peer {
        match &self.meant {
            Meant::Mailbox(user, _) => Peer::User(user.clone()),
            Meant::Group(group, _) => group.clone(),
        }
    }
}

/// A transaction. Dropping it changes nothing.
pub(in crate::index) struct Writing {
    transaction: WriteTransaction,
    of: Of,
}

impl Writing {
    pub(super) fn new(transaction: WriteTransaction, of: Of) -> Writing {
        Writing { transaction, of }
    }

    /// The position that the projection has; of a new one it is before the first entry.
    pub(super) fn position(&self) -> Result<Position, ProjectionError> {
        // Readers find every table.
        self.transaction.open_table(ENTRIES)?;
        self.transaction.open_table(MESSAGES)?;
        self.transaction.open_table(STANDINGS)?;
        self.transaction.open_table(LATEST)?;
        self.transaction.open_table(REFERENCES)?;
        self.transaction.open_table(SIZES)?;
        self.transaction.open_table(GROUP_MESSAGES)?;
        self.transaction.open_table(GROUP_STANDINGS)?;
        self.transaction.open_table(TURNS)?;
        self.transaction.open_table(HISTORIES)?;
        let table = self.transaction.open_table(POSITION)?;
        let position = table.get(())?.map(|bytes| head(bytes.value(), &self.of)).transpose()?;
        drop(table);
        if position.is_none() {
            self.stand_at(Position::default())?;
        }
        Ok(position.unwrap_or_default())
    }

    /// The projection now has everything up to here.
    pub(in crate::index) fn stand_at(&self, position: Position) -> Result<(), ProjectionError> {
        let Of { region, shard } = self.of.clone();
        let head = envelope::seal(VERSION, &Head { region, shard, position });
        self.transaction.open_table(POSITION)?.insert((), head.as_slice())?;
        Ok(())
    }

    /// Begins anew.
    pub(in crate::index) fn clear(&self) -> Result<(), ProjectionError> {
        self.transaction.delete_table(ENTRIES)?;
        self.transaction.delete_table(MESSAGES)?;
        self.transaction.delete_table(STANDINGS)?;
        self.transaction.delete_table(LATEST)?;
        self.transaction.delete_table(REFERENCES)?;
        self.transaction.delete_table(SIZES)?;
        self.transaction.delete_table(GROUP_MESSAGES)?;
        self.transaction.delete_table(GROUP_STANDINGS)?;
        self.transaction.delete_table(TURNS)?;
        self.transaction.delete_table(HISTORIES)?;
        self.transaction.delete_table(POSITION)?;
        self.position().map(|_| ())
    }

    /// Makes it so.
    pub(in crate::index) fn commit(self) -> Result<(), ProjectionError> {
        Ok(self.transaction.commit()?)
    }

    /// Takes entries in. Returns the owners of the logs that have so many rows by now that some can go.
    pub(in crate::index) fn take(&self, entries: &[Taken]) -> Result<Vec<Peer>, ProjectionError> {
        let mut tables = Tables::open(&self.transaction)?;
        let mut large = Vec::new();
        for taken in entries {
            let owner = taken.owner();
            if tables.take(&owner.to_string(), taken)? >= LOOKED_AT && !large.contains(&owner) {
                large.push(owner);
            }
        }
        Ok(large)
    }

    /// Lets what lies below a log's first entry go. Returns how many rows went, [`GO_AT_ONCE`] at most.
    pub(in crate::index) fn evict(&self, owner: &Peer, first: Seq) -> Result<usize, ProjectionError> {
        let (mut tables, owner) = (Tables::open(&self.transaction)?, owner.to_string());
        let gone = tables.oldest(&owner, GO_AT_ONCE, |seq, _| seq < first.0)?;
        for seq in &gone {
            tables.remove(&owner, *seq)?;
        }
        Ok(gone.len())
    }

    /// Lets everything go that was stored before a time, of as many logs behind `after` as a transaction is good for. Returns how many rows
    /// went, and the owner of the last log that was looked at; `None` where there is none behind `after`.
    pub(in crate::index) fn expire(
        &self,
        after: &str,
        logs: usize,
        before: StreamTime,
    ) -> Result<(usize, Option<String>), ProjectionError> {
        let mut tables = Tables::open(&self.transaction)?;
        let owners = tables.logs_behind(after, logs)?;
        let (mut left, mut last) = (GO_AT_ONCE, None);
        for owner in owners {
            let gone = tables.oldest(&owner, left, |_, time| time < before)?;
            for seq in &gone {
                tables.remove(&owner, *seq)?;
            }
            left -= gone.len();
            last = Some(owner);
            if left == 0 {
                break;
            }
        }
        Ok((GO_AT_ONCE - left, last))
    }
}

/// The tables, open in one transaction.
struct Tables<'t> {
    entries: Table<'t, (&'static str, u64), &'static [u8]>,
    messages: Table<'t, (&'static str, &'static str, u64), &'static [u8]>,
    standings: Table<'t, (&'static str, &'static str, bool, u128), &'static [u8]>,
    latest: Table<'t, (&'static str, u64), &'static str>,
    references: References<'t>,
    sizes: Table<'t, &'static str, u64>,
    groups: GroupTables<'t>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, ProjectionError> {
        Ok(Tables {
            entries: transaction.open_table(ENTRIES)?,
            messages: transaction.open_table(MESSAGES)?,
            standings: transaction.open_table(STANDINGS)?,
            latest: transaction.open_table(LATEST)?,
            references: References(transaction.open_table(REFERENCES)?),
            sizes: transaction.open_table(SIZES)?,
            groups: GroupTables::open(transaction)?,
        })
    }

    /// Takes an entry in. Returns how many rows its log has.
    fn take(&mut self, owner: &str, Taken { at, meant }: &Taken) -> Result<u64, ProjectionError> {
        let about = match meant {
            Meant::Mailbox(user, Some(item)) => self.mean(user, *at, item)?,
            Meant::Group(_, Some(said)) => self.groups.mean(&mut self.references, owner, *at, said)?,
            Meant::Mailbox(_, None) | Meant::Group(_, None) => None,
        };
        let entry = row::bytes(&EntryRow { time: at.time, about });
        let is_new = self.entries.insert((owner, at.seq.0), entry.as_slice())?.is_none();
        let size = self.sizes.get(owner)?.map_or(0, |size| size.value()) + u64::from(is_new);
        self.sizes.insert(owner, size)?;
        Ok(size)
    }

    fn mean(&mut self, owner: &UserName, at: Place, item: &Item) -> Result<Option<About>, ProjectionError> {
        let (name, with) = (owner.as_str(), item.with.to_string());
        match &item.what {
            What::Message { id, order, media } => {
                let mine = item.mine;
                let mut standing = self.standing(name, &with, mine, row::key(*id))?.unwrap_or_default();
                if !standing.sent(at, item.time, *order) {
                    return Ok(None);
                }
                self.keep(name, &with, mine, row::key(*id), &standing)?;
                if !standing.deleted {
                    let (time, order, media) = (at.time, standing.order, media.clone());
                    self.show(name, &with, at.seq.0, &MessageRow { id: *id, mine, time, order, media })?;
                }
                Ok(Some(About::Pair { with, mine, id: *id, is_message: true }))
            }
            What::Change { target, change } => {
                let likely = authors(owner, item, change);
                let mut known = None;
                for mine in likely {
                    let standing = self.standing(name, &with, *mine, row::key(*target))?;
                    if let Some(standing) = standing.filter(|standing| standing.at.is_some()) {
                        known = Some((*mine, standing));
                        break;
                    }
                }
                let (mine, mut standing) = match (known, likely.first()) {
                    (Some(known), _) => known,
                    (None, Some(first)) => {
                        (*first, self.standing(name, &with, *first, row::key(*target))?.unwrap_or_default())
                    }
                    (None, None) => return Ok(None),
                };
                standing.change(at, &item.mine, item.time, change);
                if let (Some(place), true) = (standing.at, standing.deleted) {
                    self.hide(name, &with, place.seq.0)?;
                }
                self.keep(name, &with, mine, row::key(*target), &standing)?;
                Ok(Some(About::Pair { with, mine, id: *target, is_message: false }))
            }
        }
    }

    fn standing(&self, owner: &str, with: &str, mine: bool, id: u128) -> Result<Option<Standing>, ProjectionError> {
        self.standings.get((owner, with, mine, id))?.map(|bytes| row::row(bytes.value())).transpose()
    }

    fn keep(&mut self, owner: &str, with: &str, mine: bool, id: u128, kept: &Standing) -> Result<(), ProjectionError> {
        self.standings.insert((owner, with, mine, id), row::bytes(kept).as_slice())?;
        Ok(())
    }

    /// A message is there: the latest of its conversation.
    fn show(&mut self, owner: &str, with: &str, seq: u64, message: &MessageRow) -> Result<(), ProjectionError> {
        if let Some(before) = self.message_below(owner, with, seq)? {
            self.latest.remove((owner, before))?;
        }
        self.references.add(owner, &message.media, seq)?;
        self.messages.insert((owner, with, seq), row::bytes(message).as_slice())?;
        self.latest.insert((owner, seq), with)?;
        Ok(())
    }

    /// A message is there no more. Where it was the latest of its conversation, the one before it is.
    fn hide(&mut self, owner: &str, with: &str, seq: u64) -> Result<(), ProjectionError> {
        if let Some(bytes) = self.messages.remove((owner, with, seq))? {
            self.references.remove(owner, &row::row::<MessageRow>(bytes.value())?.media, seq)?;
        }
        let was_latest = self.latest.remove((owner, seq))?.is_some();
        if let (true, Some(before)) = (was_latest, self.message_below(owner, with, seq)?) {
            self.latest.insert((owner, before), with)?;
        }
        Ok(())
    }

    fn message_below(&self, owner: &str, with: &str, seq: u64) -> Result<Option<u64>, ProjectionError> {
        let below = self.messages.range((owner, with, 0)..(owner, with, seq))?.next_back().transpose()?;
        Ok(below.map(|(key, _)| key.value().2))
    }

    /// The sequences of a log's oldest rows, as long as they are to go.
    fn oldest(
        &self,
        owner: &str,
        most: usize,
        goes: impl Fn(u64, StreamTime) -> bool,
    ) -> Result<Vec<u64>, ProjectionError> {
        let mut oldest = Vec::new();
        for found in self.entries.range((owner, 0)..=(owner, u64::MAX))?.take(most) {
            let (key, bytes) = found?;
            let seq = key.value().1;
            if !goes(seq, row::row::<EntryRow>(bytes.value())?.time) {
                break;
            }
            oldest.push(seq);
        }
        Ok(oldest)
    }

    fn logs_behind(&self, after: &str, most: usize) -> Result<Vec<String>, ProjectionError> {
        let mut owners = Vec::new();
        for found in self.sizes.range(after..)?.take(most + 1) {
            let owner = found?.0.value().to_owned();
            if owner != after {
                owners.push(owner);
            }
        }
        Ok(owners)
    }

    /// An entry has gone from the log.
    fn remove(&mut self, owner: &str, seq: u64) -> Result<(), ProjectionError> {
        let entry = self.entries.remove((owner, seq))?.map(|bytes| row::row::<EntryRow>(bytes.value())).transpose()?;
        let Some(EntryRow { about, .. }) = entry else { return Ok(()) };
        let size = self.sizes.get(owner)?.map_or(0, |size| size.value());
        if size > 1 {
            self.sizes.insert(owner, size - 1)?;
        } else {
            self.sizes.remove(owner)?;
        }
        let Some(about) = about else { return Ok(()) };
        let About::Pair { with, mine, id, is_message } = about else {
            return self.groups.remove(&mut self.references, owner, seq, &about);
        };
        let (with, id) = (with.as_str(), row::key(id));
        if is_message {
            self.hide(owner, with, seq)?;
            self.standings.remove((owner, with, mine, id))?;
        } else if self.standing(owner, with, mine, id)?.is_some_and(|kept| kept.at.is_none() && kept.changed.0 <= seq) {
            self.standings.remove((owner, with, mine, id))?;
        }
        Ok(())
    }
}

/// Which files messages of a log refer to: a row goes with its message.
struct References<'t>(Table<'t, (&'static str, u128, u64), ()>);

impl References<'_> {
    fn add(&mut self, owner: &str, media: &[MediaId], seq: u64) -> Result<(), ProjectionError> {
        for media in media {
            self.0.insert((owner, row::key(media.0), seq), ())?;
        }
        Ok(())
    }

    fn remove(&mut self, owner: &str, media: &[MediaId], seq: u64) -> Result<(), ProjectionError> {
        for media in media {
            self.0.remove((owner, row::key(media.0), seq))?;
        }
        Ok(())
    }
}
