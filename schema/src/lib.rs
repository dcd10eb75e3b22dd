//! Dunlin's pure data: what stands in subjects, streams, entries, frames and cursors, and the limits and codes all agree on.
//!
//! Everything here parses, prints and compares; nothing here waits. There is no tokio, no I/O and no clock in this crate: whoever
//! needs a time passes one. Untrusted input becomes one of these types at the edge, or a typed refusal; inside, no string is a name.
//!
//! | room | what lives there |
//! |---|---|
//! | [`name`], [`title`], [`address`], [`id`] | who and what: users, groups, regions, devices, their titles, addresses, message ids |
//! | [`role`] | who may do what in a group |
//! | [`time`], [`position`], [`span`], [`cursor`] | when and where: milliseconds, sequences, epochs, positions, what a device consumed |
//! | [`subject`], [`stream`], [`shard`] | where it is stored: every subject and every stream setting |
//! | [`entry`], [`record`], [`counts`], [`windows`] | what is stored: entries of a log, records of STATE and RECEIPTS |
//! | [`live`], [`heads`], [`read`], [`presence`], [`index`] | what gateways and workers tell each other |
//! | [`device`], [`erasure`], [`settings`], [`revocation`], [`group`] | what a gateway has a worker write down, and the answer |
//! | [`media`] | files that messages refer to: what is known, recorded and asked of them |
//! | [`frame`], [`log_name`], [`code`], [`open`], [`asyncapi`] | what clients and gateways tell each other, and its machine-readable form |
//! | [`post`], [`problem`], [`openapi`] | what back ends and gateways tell each other over HTTP, and its machine-readable form |
//! | [`limits`] | every bound, related by const assertions |

pub mod address;
pub mod asyncapi;
pub mod code;
pub mod content;
pub mod counts;
pub mod cursor;
pub mod device;
pub mod entry;
pub mod envelope;
pub mod erasure;
pub mod frame;
pub mod group;
pub mod heads;
pub mod id;
pub mod index;
pub mod limits;
pub mod link;
pub mod listen;
pub mod live;
pub mod log_name;
pub mod marks;
pub mod media;
pub mod name;
pub mod open;
pub mod openapi;
pub mod position;
pub mod post;
pub mod presence;
pub mod problem;
pub mod read;
pub mod record;
pub mod revocation;
pub mod role;
pub mod settings;
pub mod shard;
pub mod span;
pub mod stream;
pub mod subject;
mod text;
pub mod time;
pub mod title;
pub mod windows;

pub use address::{Address, GroupAddress, Peer, Sender};
pub use code::{Code, Retry};
pub use content::{Blob, Content};
pub use cursor::{Cursor, CursorText, Seal};

pub use entry::Entry;
pub use id::MessageId;
pub use link::{LinkKey, LinkSecret, LinkToken};
pub use log_name::LogName;
pub use media::{Attachment, MediaId};
pub use name::{DeviceName, GroupName, NameError, RegionName, SignalKind, TokenId, UserName};
pub use open::Open;
pub use position::{Epoch, Position, Seq};
pub use shard::Shard;
pub use span::{Span, Spans};
pub use subject::Log;
pub use time::{Millis, StreamTime};
pub use title::{Title, TitleError};
pub use windows::{Turn, Window, Windows};
