//! The files of a message: the media workers keep them for as long as it may be there, before it is stored, and tell what they are. A
//! message to a file that is not there is refused, unless the message is stored already: a repeat gets its first answer.

use dunlin_schema::{
    Address, Content, Entry, Log, MediaId, Peer, Sender,
    entry::Body,
    limits,
    media::{Attachment, MediaFacts},
};

use super::{
    Author, Do, Key, LookUp, Refer, Step,
    route::{Mailbox, Route},
};

/// What has to be kept for an item; `None` where it refers to nothing.
pub(super) fn wanted(key: Key, entry: &Entry) -> Option<Do> {
    let Body::Content(Content::Message { attachments, .. }) = &entry.body else { return None };
    if attachments.is_empty() {
        return None;
    }
    let media = attachments.iter().map(|attachment| attachment.media).collect();
    let until = entry.time.plus(limits::RETENTION).plus(limits::MEDIA_SLACK);
    let from: Sender = entry.from.clone();
    Some(Do::Refer(Box::new(Refer { key, from, media, until })))
}

/// Writes into an item what is known of its files, whatever its sender said of them but for their names.
pub(super) fn written(mut entry: Entry, known: Vec<(MediaId, MediaFacts)>) -> Entry {
    if let Body::Content(Content::Message { attachments, .. }) = &mut entry.body {
        let named = std::mem::take(attachments).into_iter().zip(known);
        for (Attachment { name, .. }, (media, facts)) in named {
            // What was uploaded twice is one file by now.
            if attachments.iter().all(|before| before.media != media) {
                attachments.push(Attachment::of(media, name, facts));
            }
        }
    }
    entry
}

/// Looks for an item itself where it would have been stored.
pub(super) fn recall(author: &Author, route: &Route, entry: Entry) -> Do {
    let log = match route {
        Route::Mailbox(Mailbox { log, .. }) => log.clone(),
        Route::Group { group, shard } => {
            Log { region: author.region.clone(), shard: *shard, owner: Peer::Group(group.clone()) }
        }
    };
    let to: Address = entry.to.clone();
    let key = Key { to, id: entry.id, step: Step::FindItself };
    Do::LookUp(Box::new(LookUp { key, log, entry }))
}
