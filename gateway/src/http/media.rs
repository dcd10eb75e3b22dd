//! The embedded store over HTTP: parts of uploads come in, and files go out. Who may do what stands in the URL: see [`crate::tickets`].

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, BodyDataStream},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use dunlin_schema::{
    Code, MediaId, Millis, UserName,
    media::{
        MediaType,
        record::{MediaRecord, MediaState},
    },
    subject,
};
use dunlin_store::{Error, HEAD, Key, Upload, content_disposition, is_shown, kind};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, timeout};

use super::{
    Moving, bearer, body,
    ranges::{Wanted, wanted},
    refusal::{BUSY, Refusal, refusal, stays},
};
use crate::{
    clock,
    embedded::Embedded,
    gateway::Gateway,
    region::Region,
    tickets::{Ticket, What},
};

/// For how long nothing may come of a part.
const STALLED: Duration = Duration::from_secs(30);
/// Bytes of a part that come in a second at least, once so much time has passed.
const SLOWEST: u64 = 2_048;
/// What is said with every answer: a page of anybody's may ask, since the URL is all that lets it, and nothing that was sent runs.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("content-length, content-range, etag")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
];

/// Says to a browser that its page may ask.
pub(super) async fn preflight() -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, PUT"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, range, if-range, if-none-match"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, HEADERS, allowed).into_response()
}

/// Put a part of an upload, as `upload` said.
#[utoipa::path(
    put,
    path = "/v1/media/uploads/{ticket}",
    operation_id = "put_part",
    tag = "files",
    params(("ticket" = String, Path, description = "What `upload` gave: it names the part and how long it is.")),
    request_body(content = String, content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "It is stored. Put again, it is replaced."),
        (status = 400, description = "It broke off, or is too short.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 403, description = "The ticket is no longer one, or never was.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 404, description = "The upload is done, or gone.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 413, description = "It is too long.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 503, description = "Not now.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 507, description = "The store is full.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(State(gateway): State<Arc<Gateway>>, Path(ticket): Path<String>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let moving = head.extensions.get::<Moving>().cloned().unwrap_or_default();
    let response = match take(&gateway, &ticket, &head.headers, &mut body, &moving).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => {
            body::pass_over(&head.headers, &mut body).await;
            refusal.into_response()
        }
    };
    (HEADERS, response).into_response()
}

async fn take(
    gateway: &Gateway,
    ticket: &str,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
    moving: &Moving,
) -> Result<(), Refusal> {
    stays(gateway)?;
    let (region, embedded, ticket) = allowed(gateway, ticket).await?;
    let What::Put { media, part, from, size } = ticket.what else { return Err(no_ticket()) };
    let too_long = || refusal(Code::TooLarge, format!("this part has {size} bytes"));
    let too_short = || refusal(Code::BadFrame, format!("this part has {size} bytes, and fewer came: put it again"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > size => return Err(too_long()),
        Some(length) if length < size => return Err(too_short()),
        Some(_) | None => {}
    }
    let _place = embedded.uploads.take(&ticket.user).ok_or_else(full)?;
    awaited(region, &ticket.user, media).await?;
    let upload = Upload { key: key(media)?, size: from + size };
    let mut came = 0;
    let counted = chunks(body).inspect_ok(|chunk| {
        came += chunk.len() as u64;
        moving.moves();
    });
    let written = embedded.store.write_part(upload, part, counted).await;
    written.map_err(|error| match (matches!(error, Error::Length { .. }), came > size) {
        (true, true) => too_long(),
        (true, false) => too_short(),
        (false, _) => failed(&error),
    })
}

/// The chunks of a body, as long as it moves.
fn chunks<E: ToString>(
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> impl Stream<Item = Result<Bytes, String>> {
    let begun = Instant::now();
    stream::unfold((Some(body), 0), move |(body, came)| async move {
        let body = body?;
        let over = |why: String| Some((Err(why), (None, came)));
        match timeout(STALLED, body.next()).await {
            Ok(Some(Ok(chunk))) => {
                let (came, slow) = (came + chunk.len() as u64, begun.elapsed().saturating_sub(STALLED).as_secs());
                if came < SLOWEST * slow {
                    return over(format!("less than {SLOWEST} bytes came in a second"));
                }
                Some((Ok(chunk), (Some(body), came)))
            }
            Ok(Some(Err(error))) => over(error.to_string()),
            Ok(None) => None,
            Err(_late) => over(format!("nothing came for {} s", STALLED.as_secs())),
        }
    })
}

/// Have a file, as `download` said. One range of it can be asked for.
#[utoipa::path(
    get,
    path = "/v1/media/{ticket}",
    operation_id = "get_file",
    tag = "files",
    params(
        ("ticket" = String, Path, description = "What `download` gave."),
        ("Range" = Option<String>, Header, description = "Which bytes.", example = "bytes=0-1023"),
        ("If-Range" = Option<String>, Header, description = "Of which file, by its `ETag`."),
        ("If-None-Match" = Option<String>, Header, description = "An `ETag` that is known."),
    ),
    responses(
        (status = 200, description = "The file.", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "The range of it.", body = String, content_type = "application/octet-stream"),
        (status = 304, description = "It is known."),
        (status = 403, description = "The ticket is no longer one, or never was.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 404, description = "It is gone.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 416, description = "It has no such bytes.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 503, description = "Not now.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
    ),
)]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Path(ticket): Path<String>,
    method: Method,
    moving: Option<Extension<Moving>>,
    headers: HeaderMap,
) -> Response {
    let Extension(moving) = moving.unwrap_or_default();
    let given = give(&gateway, &ticket, (&method, &headers), moving).await;
    (HEADERS, given.unwrap_or_else(Refusal::into_response)).into_response()
}

async fn give(
    gateway: &Gateway,
    ticket: &str,
    (method, headers): (&Method, &HeaderMap),
    moving: Moving,
) -> Result<Response, Refusal> {
    let (_, embedded, ticket) = allowed(gateway, ticket).await?;
    let What::Get { object, size: whole, kind, name } = ticket.what else { return Err(no_ticket()) };
    let (store, key, tag) = (&embedded.store, key(object)?, format!("\"{object}\""));
    let size = store.size(key).await.map_err(|error| failed(&error))?;
    if whole.is_some_and(|whole| whole != size) {
        tracing::error!(%object, size, "the store has lost a part of a file");
        return Err(failed(&Error::NotFound));
    }
    let about = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "private".to_owned())];
    let wanted = match (wanted(headers, size, &tag), method) {
        // Ranges are of GET alone.
        (Wanted::Part(..) | Wanted::Nothing, &Method::HEAD) => Wanted::Whole,
        (wanted, _) => wanted,
    };
    let (status, from, until) = match wanted {
        Wanted::Known => return Ok((StatusCode::NOT_MODIFIED, about).into_response()),
        Wanted::Nothing => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let refused = refusal(Code::BadFrame, format!("the file has {size} bytes")).status(status);
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{size}"))], refused).into_response());
        }
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(from, until) => (StatusCode::PARTIAL_CONTENT, from, until),
    };
    let (mime, inline) = match kind {
        Some(kind) => (kind.to_string(), is_shown(kind.as_str())),
        None => told(embedded, key, size).await?,
    };
    let described = [
        (header::CONTENT_TYPE, mime),
        (header::CONTENT_DISPOSITION, content_disposition(inline, name.as_ref().map(|name| name.as_str()))),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, (until - from).to_string()),
    ];
    let range = (status == StatusCode::PARTIAL_CONTENT)
        .then(|| [(header::CONTENT_RANGE, format!("bytes {from}-{}/{size}", until - 1))]);
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => {
            let place = embedded.downloads.take(&ticket.user).ok_or_else(full)?;
            let reading = store.read(key, from, until).await.map_err(|error| failed(&error))?;
            Body::from_stream(reading.inspect_ok(move |_| {
                let _held = &place;
                moving.moves();
            }))
        }
    };
    Ok((status, about, described, range, body).into_response())
}

/// What a small picture is by its bytes, and whether a browser may show it where it is.
async fn told(embedded: &Embedded, key: Key, size: u64) -> Result<(String, bool), Refusal> {
    let reading = embedded.store.read(key, 0, size.min(HEAD as u64)).await.map_err(|error| failed(&error))?;
    let head: Vec<Bytes> = reading.try_collect().await.map_err(|error| failed(&error))?;
    Ok(match kind("", &head.concat()) {
        Ok(kind) => (kind.mime.into_owned(), kind.inline),
        Err(_) => (MediaType::BYTES.to_string(), false),
    })
}

/// The store, and what somebody may do with it. Errors: nothing.
async fn allowed<'a>(gateway: &'a Gateway, ticket: &str) -> Result<(&'a Region, &'a Embedded, Ticket), Refusal> {
    let region = gateway.home();
    let embedded = region.and_then(|region| region.embedded.as_deref());
    let (Some(region), Some(embedded)) = (region, embedded) else {
        return Err(refusal(Code::NotFound, "this gateway keeps no files"));
    };
    let ticket = embedded.tickets.read(ticket, clock::now()).ok_or_else(no_ticket)?;
    let Ticket { user, device, token, .. } = &ticket;
    bearer::told(region, token, user).await?;
    match region.revocations.bars(token, user, Some(device)) {
        true => Err(no_ticket()),
        false => Ok((region, embedded, ticket)),
    }
}

/// Whether somebody is still to upload a file. Errors: they are not, or nobody can say now.
async fn awaited(region: &Region, user: &UserName, media: MediaId) -> Result<(), Refusal> {
    let gone = || refusal(Code::NotFound, "this upload is done, or gone");
    let shard = subject::media_shard(region.settings.shards, media);
    let record = region.records.load(shard, &subject::media_record(region.name(), shard, media)).await;
    let record = record.map_err(|error| refusal(Code::Unavailable, error.to_string()).until(BUSY))?.ok_or_else(gone)?;
    match MediaRecord::decode(&record.bytes).map(|record| record.state) {
        Ok(MediaState::Promised { by, .. }) if by == *user => Ok(()),
        Ok(_) | Err(_) => Err(gone()),
    }
}

fn full() -> Refusal {
    refusal(Code::Unavailable, "as many files come in or go out here as may at once").until(BUSY)
}

fn no_ticket() -> Refusal {
    refusal(Code::Forbidden, "this URL is no longer one, or never was: ask for another one")
}

fn key(media: MediaId) -> Result<Key, Refusal> {
    media.to_string().parse().map_err(|_| no_ticket())
}

fn failed(error: &Error) -> Refusal {
    match error {
        Error::NotFound | Error::Incomplete { .. } => refusal(Code::NotFound, "there is no such file any more"),
        Error::Length { .. } | Error::Sender(_) => refusal(Code::BadFrame, error.to_string()),
        Error::Full => {
            refusal(Code::Unavailable, error.to_string()).status(StatusCode::INSUFFICIENT_STORAGE).until(Millis(60_000))
        }
        Error::Denied(_) | Error::ReadOnly | Error::Unavailable { .. } => {
            tracing::warn!(%error, "the store of files fails");
            refusal(Code::Unavailable, "files can't be stored or given now").until(Millis(5_000))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes come of a body of which one chunk comes each so many seconds, and why no more.
    async fn come(chunk: usize, every: u64) -> (usize, Option<String>) {
        let slow = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(every)).await;
            Some((Ok::<_, String>(Bytes::from(vec![0; chunk])), ()))
        });
        let mut slow = Box::pin(slow.take(100));
        let mut came = 0;
        let mut chunks = Box::pin(chunks(&mut slow));
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => came += chunk.len(),
                Err(why) => return (came, Some(why)),
            }
        }
        (came, None)
    }

    #[test]
    fn a_store_that_fails_says_whose_fault_it_is_and_when_to_come_again() {
        let down = Error::Unavailable { why: "down".to_owned(), after: None };
        for (error, status, again) in [
            (Error::NotFound, 404, None),
            (Error::Incomplete { part: 1 }, 404, None),
            (Error::Length { promised: 1 }, 400, None),
            (Error::Sender("gone".to_owned()), 400, None),
            (Error::Full, 507, Some("60")),
            (Error::Denied("no".to_owned()), 503, Some("5")),
            (Error::ReadOnly, 503, Some("5")),
            (down, 503, Some("5")),
        ] {
            let answer = failed(&error).into_response();
            let told = answer.headers().get(header::RETRY_AFTER).map(|after| after.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), told), (status, again), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_sends_next_to_nothing_is_sent_away() {
        assert_eq!(come(2_048, 1).await, (204_800, None));
        assert_eq!(come(1, 1).await, (30, Some("less than 2048 bytes came in a second".to_owned())));
        assert_eq!(come(1_000_000, 31).await, (0, Some("nothing came for 30 s".to_owned())));
        assert_eq!(come(1_000_000, 29).await, (100_000_000, None), "what comes in large pieces is not slow");
    }
}
