//! Files: where they are uploaded to and had from. The media worker of the user's shard begins an upload, that of the file's does the rest.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_schema::{
    Code, Millis,
    frame::{Answer, UploadPart},
    media::{
        Attachment, FileName, MediaId, MediaType, Sha256,
        record::Promise,
        service::{MediaAnswer, MediaRequest, Part},
    },
};

use super::Context;
use crate::{clock, files::There, refusal::Refusal};

/// How long what is downloaded may be begun.
const DOWNLOAD_FOR: Millis = Millis(300_000);

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
    let parts = parts.into_iter().map(part).collect::<Result<_, _>>()?;
    let challenge = challenge.map(|challenge| URL_SAFE_NO_PAD.encode(challenge));
    Ok(Answer::Upload { media, parts, expires, challenge })
}

fn part(Part { number: _, from, size, to }: Part) -> Result<UploadPart, Refusal> {
    let (url, headers) = to.ok_or_else(without_a_store)?;
    Ok(UploadPart { url, method: "PUT".to_owned(), headers, from, size })
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
    let There { facts, url, .. } = context.files.seen(by, media, wanted).await?;
    let (url, expires) = (url.ok_or_else(without_a_store)?, clock::now().plus(DOWNLOAD_FOR));
    // Of a small picture only who gives it knows how it was made.
    let (size, kind) = match thumbnail {
        true => (None, MediaType::BYTES),
        false => (Some(facts.size), facts.kind),
    };
    Ok(Answer::Download { url, headers: BTreeMap::new(), size, kind, expires })
}

fn without_a_store() -> Refusal {
    Refusal::never(
        Code::Unsupported,
        "this gateway keeps no files: `[media] directory` in its configuration says where",
    )
}
