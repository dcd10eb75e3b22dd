//! Where the bytes of media are kept, and what can be told from them. It knows nothing of messages, people and NATS.
//!
//! A [`Store`] holds uploads, which come in parts and can go on after a break, and objects, which never change. A file's way is
//! [`Store::write_part`] for each of [`Upload::parts`] that [`Store::parts`] does not name, or a [`Store::part_request`] that its
//! sender makes; then [`Store::finish`] makes an object of it; that one is read, checked, and kept or removed. Who may do so, and how
//! long an object lives, is decided elsewhere.
//!
//! Of a file's bytes, [`kind()`] tells what they are, [`preview()`] makes a picture small, [`duration()`] tells how long sound lasts,
//! and [`strip_metadata`] takes out what a picture tells beside its pixels; [`content_disposition`] names a file in a header.

mod breaker;
mod directory;
mod disposition;
mod duration;
mod error;
mod exif;
mod guard;
mod key;
mod kind;
mod listing;
mod preview;
mod s3;
mod store;
mod stored;
mod stripped;
mod upload;

pub use self::{
    breaker::Counts,
    disposition::content_disposition,
    duration::duration,
    error::Error,
    key::{Key, NotAKey},
    kind::{HEAD, Kind, NotAsClaimed, is_shown, kind},
    listing::Listing,
    preview::{LONGEST, NoPreview, PIXELS, Preview, Previews, SIDE, preview},
    s3::{S3Settings, WrongSettings},
    store::Store,
    stored::{Reading, Request, Stored},
    stripped::{BrokenPicture, strip_metadata},
    upload::{PART, Part, Upload},
};
