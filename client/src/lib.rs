//! The client library: one connection to Dunlin that survives what connections do not.
//!
//! [`Client`] sends, [`Events`] is what comes back. Between them runs one task that dials the gateways in turn, repeats with the same
//! ids what nobody has accepted, resumes where it was, and drops what it has already given. All of that is decided in a state machine
//! without I/O; the task around it only moves bytes.
//!
//! | room | what lives there |
//! |---|---|
//! | [`options`], [`token`], [`store`] | what the library is told: where, as whom, and where cursors are kept |
//! | [`client`], `asking`, `groups`, `pending`, [`event`], [`error`] | what an application holds: the handle, questions, events, errors |
//! | `media` | files: uploaded and downloaded over HTTP, beside the connection |
//! | [`conversation`] | the messages with one peer as they are now, folded out of what happens |
//! | `core` | what to send, repeat, drop and dial, decided without I/O |
//! | `run`, `clock`, `socket`, `checkpointer` | the task that drives the core, its clocks, the WebSocket, and who saves cursors |
//!
//! # Seeing each entry once
//! Entries come at least once and in order, log by log. The library drops repeats by sequence and by id, and resumes after what the
//! application has said it has stored: call `done` on each [`Entry`], [`Gap`] and [`CaughtUp`] (or only on the last of a batch) once what
//! it brought is stored. `done` saves the cursor and tells the gateway. An application that stores entries in a database of its own sees
//! each exactly once when it stores the cursor in the same transaction and gives it back through its own [`CursorStore`].
//!
//! # A conversation
//! [`Conversation`] folds what happens into messages with their state, so that a program need not: give it each event, and what is sent.
//! `examples/chat.rs` is a whole one.
//! ```no_run
//! # use dunlin_client::{Client, ClientOptions, Conversation, Event, schema::{Content, Millis}};
//! # async fn talk(now: impl Fn() -> Millis) -> Result<(), Box<dyn std::error::Error>> {
//! let options = ClientOptions::new("ws://localhost:8080", "eyJ…").device("phone".parse()?);
//! let (client, mut events) = Client::connect(options).await?;
//! let mut conversation = Conversation::new("alice".parse()?, "bob".parse()?);
//! let content = Content::Message { text: Some("hi".into()), data: None, attachments: vec![], reply_to: None, mentions: vec![] };
//! let sending = client.submit("bob", content.clone()).await?;
//! let key = conversation.sending(now(), content, sending.id());
//! conversation.settled(key, &sending.await);
//! while let Some(event) = events.next().await {
//!     for change in conversation.event(now(), &event) {
//!         println!("{change:?}");
//!     }
//!     event.done().await?;
//!     for message in conversation.messages() {
//!         println!("{} {:?} {:?}", message.from, message.text, message.state);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What a newer release says
//! A gateway may be newer than this library. A code, an address, a kind of content or a membership's change that only a newer release
//! knows is [`schema::Open::Unknown`] or [`schema::frame::Extensible::Unknown`]: an application can say that there is something, and
//! counts it as done like everything else. What is said of a log of an unknown kind, and whole frames that are unknown, are passed over.

mod asking;
mod checkpointer;
pub mod client;
mod clock;
pub mod conversation;
mod core;
pub mod error;
pub mod event;
mod groups;
mod media;
pub mod options;
mod pending;
mod run;
mod socket;
pub mod store;
pub mod token;

pub use asking::{Conversations, History, Receipts, SettingsOf};
pub use client::{Client, Events, Sending};
pub use conversation::Conversation;
pub use core::{Accepted, ClockSkew};
pub use dunlin_schema as schema;
pub use error::{AskError, ConnectError, Ended, Lost, OptionsError, SendError, SignalError, StoreError, TokenError};
pub use event::{CaughtUp, Connected, Disconnected, Entry, Event, Gap, Receipt, Status};
pub use groups::{GroupIs, GroupReceipts, Groups, Link, Made, Members, ReceiptsOf};
pub use media::{Downloaded, File, MediaError};
pub use options::{Backoff, ClientOptions};
pub use pending::PendingId;
pub use store::{CursorStore, Cursors, FileStore, MemoryStore};
pub use token::{Refusal, TokenProvider, TokenRequest};
