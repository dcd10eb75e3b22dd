//! What a person decides about others: who may write to them, who sees whether they are there, and whom they have blocked. A gateway asks
//! the accounts worker of the person's shard, the only one that writes the record.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Sender, Seq, UserName, envelope::sealed, text::named};

const VERSION: u8 = 1;

/// Whom something is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody who is not blocked.
    #[default]
    Everybody,
    /// Those to whom the person has written.
    Contacts,
    /// Nobody.
    Nobody,
}

/// Whether somebody is let do something by what a person has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lets {
    /// They are.
    Yes,
    /// They are not.
    No,
    /// They are where the person has written to them.
    Contacts,
}

impl Audience {
    /// Every audience.
    pub const ALL: &[Audience] = &[Audience::Everybody, Audience::Contacts, Audience::Nobody];

    /// What it is called on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Audience::Everybody => "everybody",
            Audience::Contacts => "contacts",
            Audience::Nobody => "nobody",
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is one of everybody, contacts and nobody")]
pub struct AudienceError;

named!(Audience, AudienceError);

/// The question: a person's settings are to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSettings {
    /// Whose.
    pub user: UserName,
    /// How.
    pub change: SettingsChange,
}

/// A change of somebody's settings. Made twice it does the same as made once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettingsChange {
    /// Somebody reaches the person no more.
    Block(Sender),
    /// Somebody is no longer blocked.
    Unblock(Sender),
    /// What is `None` stays as it is.
    Set {
        /// Who may write to the person.
        who_may_write: Option<Audience>,
        /// Who sees whether the person is there, and when they were last.
        who_sees_presence: Option<Audience>,
    },
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettingsChanged {
    /// The settings are stored as they are to be: the revision of their record says so, 0 where there is none.
    Stored(Seq),
    /// As many are blocked as may be: nothing was changed.
    TooMany,
    /// It could not be stored, or nobody knows whether it was: asking again does no harm.
    NotStored,
}

sealed!(VERSION: ChangeSettings, SettingsChanged);
