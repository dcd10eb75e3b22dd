//! Everything Dunlin says to NATS: the one crate that names `async-nats`. Its public face speaks the types of `dunlin-schema`.
//!
//! What each message costs goes over lines of our own; all else, over `async-nats`.
//!
//! | room | what lives there |
//! |---|---|
//! | [`connect`] | how to reach NATS: servers, credentials, TLS, the version gate |
//! | `connection` | one connection that stays, and what may have been lost on it |
//! | `line` | one connection from its making to its loss, never resumed; one after another: over them go appends and what is live |
//! | `wire` | what a client and a server say to each other, as bytes, without I/O |
//! | `publisher` | what a worker publishes, in order |
//! | [`mod@provision`] | the streams of a region, made once and never changed by surprise; what a region says of itself |
//! | [`append`] | `append_once`: stored once, whoever writes and however late. `append::core` decides, the rest carries it out |
//! | [`permissions`] | what each role may say to NATS and hear from it |
//! | [`read`] | Direct Get reads of one log, and what the leader says of it; last values of STATE |
//! | [`fan_in`] | `user.<id>`: one subscription a user, however many devices |
//! | [`service`] | request and reply, of any question |
//! | [`heads`] | the comparison of heads, asked by a gateway and answered by a worker |
//! | [`marks`] | marks of what users have sent and read; whose have changed, asked by a gateway and answered by a worker |
//! | [`devices`] | the titles and the removal of devices, asked for by a gateway and written down by a worker |
//! | [`erasure`] | the erasure of a person, asked by a gateway and done by a worker |
//! | [`index`] | conversations and their messages, asked by a gateway and answered by a worker |
//! | [`media`] | files: asked about by a gateway, answered by a worker |
//! | [`contacts`] | who has written to somebody |
//! | [`accounts`] | people's settings and revoked tokens: asked for by a gateway, written down by a worker |
//! | [`groups`] | what is done in a group: wanted by a gateway, done by a worker |
//! | [`stream_reader`] | every entry of a stream in order, checked for contiguity, in any domain; its `tap` is what readers share |
//! | `ordered` | one consumer of a stream, checked for contiguity, until the first doubt |
//! | [`records`] | one record a subject, by compare-and-set; pages and watches of them |
//! | [`queue`] | work queues, of any item |
//! | [`receipts`] | the work queue of what devices acknowledge, and the service of who works on it |
//! | [`raw`] | JetStream without promises: the floor of the benchmarks |
//!
//! Streams of clones share one connection; nothing here opens a connection that its caller did not ask for, and no task outlives what it
//! serves.

pub mod accounts;
mod api;
pub mod append;
pub mod connect;
mod connection;
pub mod contacts;
pub mod devices;
pub mod erasure;
pub mod fan_in;
pub mod groups;
pub mod heads;
pub mod index;
mod line;
pub mod marks;
pub mod media;
mod ordered;
pub mod permissions;
pub mod provision;
mod publisher;
pub mod queue;
pub mod raw;
pub mod read;
pub mod receipts;
pub mod records;
pub mod service;
pub mod stream_reader;
mod wire;

pub use accounts::{Accounts, AccountsError, AccountsQuestion, AccountsService};
pub use append::{AppendError, Appender, Hold, Item, Origin, Stored};
pub use connect::{ConnectError, ConnectOptions, Credentials, Tls};
pub use connection::{Connection, ServerInfo, Status};
pub use contacts::{ContactError, Contacts};
pub use devices::{DeviceError, Devices};
pub use erasure::{ErasureError, ErasureService, Erasures};
pub use fan_in::{FanIn, FanInError, Joined, LiveSink};
pub use groups::{Groups, GroupsError, GroupsQuestion, GroupsService};
pub use heads::{Heads, HeadsError, HeadsService, Question};
pub use index::{Index, IndexError, IndexQuestion, IndexService};
pub use marks::{MarkValue, Marks, MarksError, MarksPage, StoredMark};
pub use media::{Media, MediaError, MediaQuestion, MediaService};
pub use ordered::StreamName;
pub use provision::{ProvisionError, Provisioned, SettingsError, inspect, provision, region_settings};
pub use publisher::{PublishError, Publisher};
pub use queue::{EnqueueError, Queued, WorkQueue};
pub use read::{Found, LogEnds, ReadError, Reads};
pub use receipts::{ReceiptItem, Receipts, ReceiptsQuestion, ReceiptsService};
pub use records::{Page, Record, RecordError, Records, SaveError, Watch, WatchEvent};
pub use service::{AskError, Reply};
pub use stream_reader::{
    ReaderEvent, Start, StreamEnds, StreamFill, StreamReader, Taps, entry_time, stream_ends, stream_fill,
};
