//! Anything that is asked, answered and sent of files.

use dunlin_schema::{
    Attachment, MediaId, MessageId,
    frame::{Answer, Question, UploadPart},
    limits,
    media::{FileName, MediaFacts, MediaType, Sha256},
};
use proptest::{collection, option, prelude::*};

use super::millis;

fn media() -> impl Strategy<Value = MediaId> {
    any::<[u8; 16]>().prop_map(|bytes| MediaId(MessageId::from_bytes(bytes)))
}

fn kind() -> impl Strategy<Value = MediaType> {
    "[a-z0-9]{1,9}/[a-z0-9][a-z0-9.+-]{0,9}".prop_map(|text| text.parse().unwrap())
}

fn name() -> impl Strategy<Value = FileName> {
    "[^\\\\/\\.\\p{C}\\p{Z}]{1,60}".prop_map(|text| text.parse().unwrap())
}

fn facts() -> impl Strategy<Value = MediaFacts> {
    let of_pictures = (option::of(any::<u32>()), option::of(any::<u32>()), option::of("[A-Za-z0-9+/]{1,36}"));
    (any::<u64>(), kind(), of_pictures, option::of(millis()), any::<bool>()).prop_map(
        |(size, kind, (width, height, blur), duration, thumbnail)| MediaFacts {
            size,
            kind,
            width,
            height,
            duration,
            blur,
            thumbnail,
        },
    )
}

pub(super) fn attachment() -> impl Strategy<Value = Attachment> {
    (media(), option::of(name()), facts()).prop_map(|(media, name, facts)| Attachment::of(media, name, facts))
}

pub(super) fn question() -> impl Strategy<Value = Question> {
    let sha256 = || any::<[u8; 32]>().prop_map(Sha256);
    prop_oneof![
        (1..=limits::MEDIA_BYTES, kind(), sha256(), option::of(media()))
            .prop_map(|(size, kind, sha256, media)| Question::Upload { size, kind, sha256, media }),
        (media(), option::of(sha256())).prop_map(|(media, proof)| Question::UploadDone { media, proof }),
        (media(), any::<bool>(), option::of(name())).prop_map(|(media, thumbnail, name)| Question::Download {
            media,
            thumbnail,
            name
        }),
    ]
}

pub(super) fn answer() -> impl Strategy<Value = Answer> {
    let headers = || collection::btree_map("[a-z-]{1,9}", any::<String>(), 0..3);
    let part = (any::<String>(), any::<String>(), headers(), any::<u64>(), any::<u64>());
    let part = part.prop_map(|(url, method, headers, from, size)| UploadPart { url, method, headers, from, size });
    prop_oneof![
        (media(), collection::vec(part, 0..3), millis(), option::of(any::<String>()))
            .prop_map(|(media, parts, expires, challenge)| Answer::Upload { media, parts, expires, challenge }),
        attachment().prop_map(|attachment| Answer::Media(Box::new(attachment))),
        (any::<String>(), headers(), option::of(any::<u64>()), kind(), millis())
            .prop_map(|(url, headers, size, kind, expires)| Answer::Download { url, headers, size, kind, expires }),
    ]
}
