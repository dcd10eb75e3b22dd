//! Files: where they are uploaded to and had from. The media worker of the user's shard begins an upload, that of the file's does the rest.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_schema::{
    Code, Millis,
    frame::{Answer, UploadPart},
    limits,
    media::{
        Attachment, FileName, MediaId, MediaType, Sha256,
        record::Promise,
        service::{MediaAnswer, MediaRequest, Part},
    },
};

use super::Context;
use crate::{clock, embedded::Embedded, files::There, refusal::Refusal, tickets::What};

/// Says what of a new file is to be put where, or of one whose upload was begun what is missing.
pub(super) async fn upload(context: &Context<'_>, file: Promise, begun: Option<MediaId>) -> Result<Answer, Refusal> {
    let by = context.asker.user().clone();
    let (shard, wanted) = match begun {
        Some(media) => (context.files.shard(media), MediaRequest::GoOn { by, media }),
        None => (context.asker.shard(), MediaRequest::Begin { by, file }),
    };
    let MediaAnswer::Begun { media, parts, expires, challenge } = context.files.ask(shard, &wanted).await? else {
        return Err(Refusal::unavailable("the media worker answered something else than what was asked"));
    };
    let parts = parts.into_iter().map(|of| part(context, media, of, expires)).collect::<Result<_, _>>()?;
    let challenge = challenge.map(|challenge| URL_SAFE_NO_PAD.encode(challenge));
    Ok(Answer::Upload { media, parts, expires, challenge })
}

fn part(context: &Context<'_>, media: MediaId, mut part: Part, expires: Millis) -> Result<UploadPart, Refusal> {
    match part.to.take() {
        Some((url, headers)) => {
            Ok(UploadPart { url, method: "PUT".to_owned(), headers, from: part.from, size: part.size })
        }
        None => Ok(embedded(context)?.put(context.asker, media, &part, expires)),
    }
}

/// Says what was uploaded, once it was looked at.
pub(super) async fn done(context: &Context<'_>, media: MediaId, proof: Option<Sha256>) -> Result<Answer, Refusal> {
    let by = context.asker.user().clone();
    let There { media, facts, .. } = context.files.usable(media, &MediaRequest::Complete { by, media, proof }).await?;
    Ok(Answer::Media(Box::new(Attachment::of(media, None, facts))))
}

/// Says where a file can be had, to who has uploaded it or may read a message that refers to it.
pub(super) async fn download(
    context: &Context<'_>,
    media: MediaId,
    thumbnail: bool,
    name: Option<FileName>,
) -> Result<Answer, Refusal> {
    let by = context.asker.user();
    let wanted = |seen| MediaRequest::Open { by: by.clone(), media, thumbnail, name: name.clone(), seen };
    let There { media, facts, url } = context.files.seen(by, media, wanted).await?;
    let asker = context.asker;
    let expires = clock::now().plus(limits::DOWNLOAD_HOLDS);
    let url = match (url, thumbnail) {
        (Some(url), _) => url,
        (None, true) => {
            embedded(context)?.get(asker, expires, What::Get { object: media.preview(), size: None, kind: None, name })
        }
        (None, false) => {
            let (size, kind) = (Some(facts.size), Some(facts.kind.clone()));
            let what = What::Get { object: media, size, kind, name };
            embedded(context)?.get(asker, expires, what)
        }
    };
    // Of a small picture only who gives it knows how it was made.
    let (size, kind) = match thumbnail {
        true => (None, MediaType::BYTES),
        false => (Some(facts.size), facts.kind),
    };
    Ok(Answer::Download { url, headers: BTreeMap::new(), size, kind, expires })
}

fn embedded<'a>(context: &'a Context<'_>) -> Result<&'a Embedded, Refusal> {
    let without = "this gateway has no store of files: name the folder of the media workers as `media.directory`";
    context.embedded.ok_or_else(|| Refusal::never(Code::Unsupported, without))
}
