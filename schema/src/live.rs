//! What is published on `user.<user>`, for the gateways that hold the user's devices: entries by the deliver reader, what is never stored
//! in a log, and what gateways tell each other of the user's devices.
//!
//! On the wire: a version byte, the message's number as a varint, then its Postcard. So a release passes over a number that it does
//! not know. Messages are added at the end.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Address, DeviceName, Epoch, Millis, Position, Sender, Seq, SignalKind, Spans, limits};

/// What is live for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserMessage {
    /// An entry of the user's mailbox.
    Entry(LiveEntry),
    /// Something that somebody does just now.
    Signal(Signal),
    /// News of what the user has sent.
    Receipt(Receipt),
    /// A read mark of the user's own was stored.
    Mark(Mark),
    /// What gateways tell each other of the user's devices.
    Devices(DeviceNews),
    /// A gateway asks whether the user is connected: whoever holds a device answers [`crate::presence::Here`] to where the request says.
    IsThere,
}

/// What gateways tell each other of a user's devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceNews {
    /// A device of the user connected.
    Joined(Joined),
    /// What a gateway answers to that.
    Met(Met),
    /// A gateway asks which devices of the user are connected.
    RollCall(RollCall),
    /// What a gateway answers to that.
    Present(Present),
    /// The user removed a device.
    Removed(Removed),
    /// A device that joined before is still connected: what was told may have been lost.
    Stays(Joined),
}

/// A live entry. The promise: the log has no entry between `after` and `position`, in `position`'s epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveEntry {
    /// Where the entry stands.
    pub position: Position,
    /// The log has nothing between this sequence and the entry.
    pub after: Seq,
    /// The entry as it is stored: see [`crate::Entry::decode`].
    pub entry: Bytes,
}

/// Something that somebody does just now: never stored, may be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Who.
    pub from: Sender,
    /// In which conversation: the address that the signal was sent to, with its region.
    pub to: Address,
    /// What.
    pub kind: SignalKind,
    /// When, by the clock of the gateway that says so.
    pub at: Millis,
}

impl Signal {
    /// Whether it still tells of this moment.
    pub fn holds(&self, now: Millis) -> bool {
        now.since(self.at) <= limits::SIGNAL_HOLDS
    }
}

/// How far what the user sent to an address has come. Marks: each is everything up to an order, and only rises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    /// Of a person.
    Person {
        /// Whose devices have, or who has read.
        by: Sender,
        /// The address that was sent to, with its region.
        to: Address,
        /// Up to this order it was delivered.
        delivered: Option<Seq>,
        /// Up to this order it was read.
        read: Option<Seq>,
        /// When the later of the two became so.
        time: Millis,
        /// The revision of the record in STATE that says so.
        revision: Seq,
        /// The epoch of the log that gave the orders.
        epoch: Epoch,
        /// Below the two, what no device is known to have and nobody could read.
        missing: Spans,
    },
    /// Of a group: of how many members, how many.
    Group {
        /// The group, with its region.
        to: Address,
        /// The message's order.
        order: Seq,
        /// Members that have it.
        delivered: u32,
        /// Members that have read it.
        read: u32,
        /// Members in all, without the sender.
        of: u32,
        /// When it became so.
        time: Millis,
        /// The revision of the record in STATE that says so.
        revision: Seq,
    },
}

/// What the user has read of a conversation, for all of the user's devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// With whom: a person or a group, with its region.
    pub with: Address,
    /// Up to this order.
    pub read: Seq,
    /// The revision of the record in STATE that says so.
    pub revision: Seq,
}

/// A device has connected, and what is live for its user comes to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Which of the user's.
    pub device: DeviceName,
    /// Which of its connections.
    pub connection: ConnectionId,
}

/// Which connection of a device. Of two, the greater one is the newer one, as far as clocks can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnectionId {
    /// When it was opened.
    pub time: Millis,
    /// Random, and the same for all connections of one run of a gateway.
    pub nonce: u64,
}

/// What a gateway with devices of the user has to say to one that joined elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// To whom it is said.
    pub joined: Joined,
    /// The user's other devices that were there before.
    pub earlier: Vec<DeviceName>,
    /// Whether the same device has connected since.
    pub replaced: bool,
}

/// Whoever holds devices of the user is to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollCall {
    /// Random: which answers are to this call.
    pub call: u64,
}

/// The user's devices that are connected to one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Which call this answers.
    pub call: u64,
    /// The devices.
    pub devices: Vec<DeviceName>,
}

/// The user removed a device: its connections that were open then end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Which.
    pub device: DeviceName,
    /// When.
    pub at: Millis,
}

#[derive(Serialize, Deserialize)]
struct EntryHeader {
    position: Position,
    after: Seq,
}

const VERSION: u8 = 1;
const ENTRY: u32 = 0;
const SIGNAL: u32 = 1;
const RECEIPT: u32 = 2;
const MARK: u32 = 3;
const JOINED: u32 = 4;
const MET: u32 = 5;
const ROLL_CALL: u32 = 6;
const PRESENT: u32 = 7;
const REMOVED: u32 = 8;
const STAYS: u32 = 9;
const IS_THERE: u32 = 10;

/// Why bytes are no message of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// A message of a newer release: its version, or its number in this version.
    #[error("a live message of a kind that this release does not know")]
    Unknown,
    /// Not a message.
    #[error("a live message that can't be read")]
    Malformed,
}

impl UserMessage {
    /// The bytes that are published.
    pub fn encode(&self) -> Bytes {
        match self {
            UserMessage::Entry(entry) => UserMessage::encode_entry(entry),
            UserMessage::Signal(signal) => written(SIGNAL, signal, &[]),
            UserMessage::Receipt(receipt) => written(RECEIPT, receipt, &[]),
            UserMessage::Mark(mark) => written(MARK, mark, &[]),
            UserMessage::Devices(news) => match news {
                DeviceNews::Joined(joined) => written(JOINED, joined, &[]),
                DeviceNews::Met(met) => written(MET, met, &[]),
                DeviceNews::RollCall(call) => written(ROLL_CALL, call, &[]),
                DeviceNews::Present(present) => written(PRESENT, present, &[]),
                DeviceNews::Removed(removed) => written(REMOVED, removed, &[]),
                DeviceNews::Stays(joined) => written(STAYS, joined, &[]),
            },
            UserMessage::IsThere => written(IS_THERE, &(), &[]),
        }
    }

    /// The bytes of an entry's message.
    pub fn encode_entry(LiveEntry { position, after, entry }: &LiveEntry) -> Bytes {
        written(ENTRY, &EntryHeader { position: *position, after: *after }, entry)
    }

    /// The message of published bytes, sharing them. Errors: see [`LiveError`].
    pub fn decode(bytes: &Bytes) -> Result<UserMessage, LiveError> {
        let (version, rest) = bytes.split_first().ok_or(LiveError::Malformed)?;
        if *version != VERSION {
            return Err(LiveError::Unknown);
        }
        let (number, rest) = postcard::take_from_bytes(rest).map_err(|_| LiveError::Malformed)?;
        match number {
            ENTRY => {
                let (EntryHeader { position, after }, entry) =
                    postcard::take_from_bytes(rest).map_err(|_| LiveError::Malformed)?;
                Ok(UserMessage::Entry(LiveEntry { position, after, entry: bytes.slice_ref(entry) }))
            }
            SIGNAL => read(rest).map(UserMessage::Signal),
            RECEIPT => read(rest).map(UserMessage::Receipt),
            MARK => read(rest).map(UserMessage::Mark),
            JOINED => news(rest, DeviceNews::Joined),
            MET => news(rest, DeviceNews::Met),
            ROLL_CALL => news(rest, DeviceNews::RollCall),
            PRESENT => news(rest, DeviceNews::Present),
            REMOVED => news(rest, DeviceNews::Removed),
            STAYS => news(rest, DeviceNews::Stays),
            IS_THERE => Ok(UserMessage::IsThere),
            _ => Err(LiveError::Unknown),
        }
    }
}

fn written(number: u32, value: &impl Serialize, tail: &[u8]) -> Bytes {
    let mut head = vec![VERSION];
    head.reserve(40 + tail.len());
    let mut bytes = postcard::to_extend(&(number, value), head)
        .expect("our own types have a Postcard form, and a Vec takes any length");
    bytes.extend_from_slice(tail);
    bytes.into()
}

/// A message's value. What follows it are fields of a newer release.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LiveError> {
    postcard::take_from_bytes(bytes).map(|(value, _)| value).map_err(|_| LiveError::Malformed)
}

fn news<T: DeserializeOwned>(bytes: &[u8], of: fn(T) -> DeviceNews) -> Result<UserMessage, LiveError> {
    read(bytes).map(|value| UserMessage::Devices(of(value)))
}
