//! What changes of a group: its rows are kept once, for all members.

use dunlin_schema::{MessageId, Turn, UserName, index::Place};
use redb::{ReadableTable, Table, WriteTransaction};

use super::{
    super::{
        EVERYBODY, GROUP_MESSAGES, GROUP_STANDINGS, HISTORIES, ProjectionError, TURNS, damaged,
        row::{self, About, GroupRow, HistoryRow, TurnRow},
    },
    References,
};
use crate::index::core::{Change, Standing, group::Said};

type Standings = Standing<UserName>;

/// The tables of groups, open in one transaction.
pub(super) struct GroupTables<'t> {
    messages: Table<'t, (&'static str, u64), &'static [u8]>,
    standings: Table<'t, (&'static str, u128, &'static str), &'static [u8]>,
    turns: Table<'t, (&'static str, &'static str, u64), &'static [u8]>,
    histories: Table<'t, (&'static str, u64), &'static [u8]>,
}

impl<'t> GroupTables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<GroupTables<'t>, ProjectionError> {
        Ok(GroupTables {
            messages: transaction.open_table(GROUP_MESSAGES)?,
            standings: transaction.open_table(GROUP_STANDINGS)?,
            turns: transaction.open_table(TURNS)?,
            histories: transaction.open_table(HISTORIES)?,
        })
    }

    /// Takes an entry in.
    pub(super) fn mean(
        &mut self,
        references: &mut References<'_>,
        group: &str,
        at: Place,
        said: &Said,
    ) -> Result<Option<About>, ProjectionError> {
        match said {
            Said::Message { id, author, time, mentions, media } => {
                let mut standing = self.standing(group, *id, author)?.unwrap_or_default();
                if !standing.sent(at, *time, None) {
                    return Ok(None);
                }
                self.keep(group, *id, author, &standing)?;
                let (author, mentions, media) = (author.clone(), mentions.clone(), media.clone());
                references.add(group, &media, at.seq.0)?;
                let message = GroupRow { id: *id, author: author.clone(), time: at.time, mentions, media };
                self.messages.insert((group, at.seq.0), row::bytes(&message).as_slice())?;
                Ok(Some(About::Said { author, id: *id }))
            }
            Said::Change { target, by, time, change } => {
                for (author, mut standing) in self.changed(group, *target, by, change)? {
                    standing.change(at, by, *time, change);
                    if let (Some(place), true) = (standing.at, standing.deleted) {
                        self.hide(references, group, place.seq.0)?;
                    }
                    self.keep(group, *target, &author, &standing)?;
                }
                Ok(None)
            }
            Said::Turns { turns, history } => {
                for (user, turn) in turns {
                    let turn = TurnRow { joins: *turn == Turn::Joins, time: at.time };
                    self.turns.insert((group, whose(user), at.seq.0), row::bytes(&turn).as_slice())?;
                }
                if let Some(shown) = *history {
                    let history = HistoryRow { shown, time: at.time };
                    self.histories.insert((group, at.seq.0), row::bytes(&history).as_slice())?;
                }
                Ok(Some(About::Turns { users: turns.iter().map(|(user, _)| user.clone()).collect() }))
            }
        }
    }

    /// An entry has gone from the log.
    pub(super) fn remove(
        &mut self,
        references: &mut References<'_>,
        group: &str,
        seq: u64,
        about: &About,
    ) -> Result<(), ProjectionError> {
        match about {
            About::Said { author, id } => {
                self.hide(references, group, seq)?;
                self.standings.remove((group, row::key(*id), author.as_str()))?;
            }
            About::Turns { users } => {
                for user in users {
                    self.turns.remove((group, whose(user), seq))?;
                }
                self.histories.remove((group, seq))?;
            }
            About::Pair { .. } => {}
        }
        Ok(())
    }

    /// A message is there no more.
    fn hide(&mut self, references: &mut References<'_>, group: &str, seq: u64) -> Result<(), ProjectionError> {
        let Some(bytes) = self.messages.remove((group, seq))? else { return Ok(()) };
        references.remove(group, &row::row::<GroupRow>(bytes.value())?.media, seq)
    }

    /// Which messages a change is about: the worker has let it in, so they are somebody's who may change them. An edit is its author's, and
    /// so is a deletion; where they have no such message they are an admin, and it is about whoever's there is. Reactions are to all of an
    /// id: clients can't tell them apart either.
    fn changed(
        &self,
        group: &str,
        id: MessageId,
        by: &UserName,
        change: &Change,
    ) -> Result<Vec<(UserName, Standings)>, ProjectionError> {
        let own = match change {
            Change::Edit | Change::Delete => self.standing(group, id, by)?,
            Change::React { .. } => None,
        };
        match (own, change) {
            (Some(own), _) => Ok(vec![(by.clone(), own)]),
            (None, Change::Edit) => Ok(Vec::new()),
            (None, Change::Delete | Change::React { .. }) => self.of_id(group, id),
        }
    }

    fn of_id(&self, group: &str, id: MessageId) -> Result<Vec<(UserName, Standings)>, ProjectionError> {
        let mut found = Vec::new();
        for row in self.standings.range((group, row::key(id), "")..)? {
            let (key, bytes) = row?;
            let (of, key, author) = key.value();
            if (of, key) != (group, row::key(id)) {
                break;
            }
            found.push((author.parse().map_err(damaged)?, row::row(bytes.value())?));
        }
        Ok(found)
    }

    fn standing(&self, group: &str, id: MessageId, author: &UserName) -> Result<Option<Standings>, ProjectionError> {
        let found = self.standings.get((group, row::key(id), author.as_str()))?;
        found.map(|bytes| row::row(bytes.value())).transpose()
    }

    fn keep(
        &mut self,
        group: &str,
        id: MessageId,
        author: &UserName,
        standing: &Standings,
    ) -> Result<(), ProjectionError> {
        self.standings.insert((group, row::key(id), author.as_str()), row::bytes(standing).as_slice())?;
        Ok(())
    }
}

fn whose(user: &Option<UserName>) -> &str {
    user.as_ref().map_or(EVERYBODY, UserName::as_str)
}
