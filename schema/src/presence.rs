//! Presence: whether somebody is connected, and when they last were. Nobody keeps a table of it: whoever wants to know asks the gateways
//! that hold devices of the user, by a request to `user.<user>`, and one answer is enough. A message on `presence.<user>` says nothing but
//! that the answer may be another one now.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Millis, Open, envelope::sealed, text::named};

const VERSION: u8 = 1;

/// Whether somebody is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum PresenceState {
    /// At least one device is.
    Online,
    /// No device is.
    Offline,
    /// Nobody can say now.
    Unknown,
}

impl PresenceState {
    /// Every state.
    pub const ALL: &[PresenceState] = &[PresenceState::Online, PresenceState::Offline, PresenceState::Unknown];

    /// The state as clients see it.
    pub fn name(self) -> &'static str {
        match self {
            PresenceState::Online => "online",
            PresenceState::Offline => "offline",
            PresenceState::Unknown => "unknown",
        }
    }
}

/// The state as clients see it.
impl fmt::Display for PresenceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no state of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no state that this release knows")]
pub struct PresenceStateError;

named!(PresenceState, PresenceStateError);

/// Whether somebody is connected, and when they last were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Presence {
    /// Whether they are connected.
    pub state: Open<PresenceState>,
    /// When they last were, where they are not; `None` where nobody knows, or nobody is to know.
    pub last_seen: Option<Millis>,
}

impl Presence {
    /// Somebody is connected.
    pub fn online() -> Presence {
        Presence { state: PresenceState::Online.into(), last_seen: None }
    }

    /// Somebody is not connected, and last was then.
    pub fn offline(last_seen: Option<Millis>) -> Presence {
        Presence { state: PresenceState::Offline.into(), last_seen }
    }

    /// Nobody can say.
    pub fn unknown() -> Presence {
        Presence { state: PresenceState::Unknown.into(), last_seen: None }
    }
}

/// One run of a gateway: a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GatewayRun(pub u64);

/// What a gateway answers that holds a device of the user who is asked for. One that holds none does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// Who answers.
    pub gateway: GatewayRun,
}

/// What each gateway of a region says again and again: see [`crate::subject::gateways`]. One that was killed says nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Who is there.
    pub gateway: GatewayRun,
}

sealed!(VERSION: Here, Beat);
