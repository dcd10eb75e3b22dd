//! Files: what goes with messages and is too large for them. What is to be done is said over the connection; the bytes go over HTTP.
//!
//! **Nothing begins anew that need not.** A part of an upload that was broken off is sent again, at whichever gateway the client is
//! connected to by then, and a download goes on where it stopped. Bytes that the region has already are not sent: it is enough to show that
//! they are here.

mod body;
mod file;

use std::{io, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_schema::{
    Attachment, Code, MediaId, Millis, Open,
    frame::{Answer, Question, UploadPart},
    media::{FileName, MediaType, Sha256},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue, RANGE, RETRY_AFTER},
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep},
};

use self::body::Counted;
pub use self::file::File;
use crate::{client::Client, error::AskError, event::Status};

/// Times in a row that an upload or a download may come to nothing before it is given up.
const TRIES: u32 = 6;
/// Parts of a file that are on their way at once: while one is synced the next one comes.
const PARTS_AT_ONCE: usize = 2;
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a file may be looked at that was uploaded: a large one on a slow disk, behind others.
const LOOKED_AT_WITHIN: Duration = Duration::from_secs(600);
/// How long a part may be told to come later: as many come in as may at once.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// How long nothing may come of a download, and how long an answer to a part may take once it was sent.
const SILENT_FOR: Duration = Duration::from_secs(60);

/// Why a file was not uploaded or downloaded.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The gateway refused it, or nobody answered.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The file can't be read, or what was downloaded can't be written.
    #[error("the file: {0}")]
    File(#[from] io::Error),
    /// The bytes could not be brought there or back.
    #[error("the transfer failed: {0}")]
    Transfer(String),
}

impl MediaError {
    fn transfer(why: impl ToString) -> MediaError {
        MediaError::Transfer(why.to_string())
    }

    /// Whether another try may do better.
    fn is_passing(&self) -> bool {
        match self {
            MediaError::Ask(AskError::Disconnected | AskError::TimedOut) | MediaError::Transfer(_) => true,
            MediaError::Ask(_) | MediaError::File(_) => false,
        }
    }

    fn is(&self, wanted: Code) -> bool {
        matches!(self, MediaError::Ask(AskError::Refused { code: Open::Known(code), .. }) if *code == wanted)
    }
}

/// What was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// What it is.
    pub kind: MediaType,
    /// Its bytes.
    pub size: u64,
}

/// What is to be had, and where.
struct Offer {
    url: Url,
    headers: HeaderMap,
    kind: MediaType,
    /// Its bytes, where they are known.
    size: Option<u64>,
}

impl Client {
    /// Uploads a file, and returns what a message is to carry. `progress` is told how many bytes of it are there, which fall where a part
    /// has to be sent again. What was there before takes no upload. Dropping the future ends it; what was uploaded goes by itself.
    /// Errors: see [`MediaError`]; with the code `too_many` the user's share of the store is used up, with `not_uploaded` the file is not
    /// what `kind` says, or changed while it was read.
    pub async fn upload(
        &self,
        file: &File,
        kind: MediaType,
        name: Option<FileName>,
        progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Attachment, MediaError> {
        let progress = body::Progress::new(progress);
        let sha256 = file.hash(&[]).await?;
        let (http, mut begun, mut failures) = (http()?, None, 0);
        loop {
            let error = match self.upload_once(&http, file, (&kind, sha256), &mut begun, &progress).await {
                Ok(attachment) => return Ok(Attachment { name, ..attachment }),
                // It was begun so long ago that it is forgotten.
                Err(error) if begun.is_some() && error.is(Code::NotFound) => {
                    begun = None;
                    error
                }
                // Some of it went missing.
                Err(error) if begun.is_some() && error.is(Code::NotUploaded) && failures == 0 => error,
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            failures += 1;
            if failures == TRIES {
                return Err(error);
            }
            sleep(PAUSE * failures).await;
        }
    }

    async fn upload_once(
        &self,
        http: &reqwest::Client,
        file: &File,
        (kind, sha256): (&MediaType, Sha256),
        begun: &mut Option<MediaId>,
        progress: &body::Progress,
    ) -> Result<Attachment, MediaError> {
        let what = Question::Upload { size: file.size(), kind: kind.clone(), sha256, media: *begun };
        let answer = self.ask_until(what, Instant::now() + self.ask_within).await?;
        let Answer::Upload { media, parts, expires: _, challenge } = answer else {
            return Err(AskError::unexpected(&answer).into());
        };
        *begun = Some(media);
        let missing: u64 = parts.iter().map(|part| part.size).sum();
        progress.at(file.size().saturating_sub(missing));
        let putting = stream::iter(parts).map(|part| self.put(http, file, part, progress.part()));
        putting.buffer_unordered(PARTS_AT_ONCE).try_collect::<()>().await?;
        let proof = match challenge {
            Some(challenge) => {
                let challenge = URL_SAFE_NO_PAD.decode(&challenge);
                Some(file.hash(&challenge.map_err(|_| MediaError::transfer("the challenge is no base64"))?).await?)
            }
            None => None,
        };
        let done = Question::UploadDone { media, proof };
        let answer = self.ask_until(done, Instant::now() + LOOKED_AT_WITHIN).await?;
        let Answer::Media(attachment) = answer else { return Err(AskError::unexpected(&answer).into()) };
        progress.at(file.size());
        Ok(*attachment)
    }

    /// Sends a part of a file.
    async fn put(
        &self,
        http: &reqwest::Client,
        file: &File,
        part: UploadPart,
        share: body::Share,
    ) -> Result<(), MediaError> {
        let UploadPart { url, method, headers, from, size } = part;
        let (url, headers) = (self.media_url(&url).await?, headers_of(headers)?);
        let method = Method::from_bytes(method.as_bytes()).map_err(MediaError::transfer)?;
        let until = Instant::now() + TAKEN_WITHIN;
        loop {
            let bytes = file.read(from, size).await?;
            let body = Counted::new(bytes, &share).into_body();
            let request = http.request(method.clone(), url.clone()).headers(headers.clone()).body(body);
            let response = send(request).await?;
            match later(&response).filter(|pause| Instant::now() + *pause < until) {
                Some(pause) => {
                    share.none();
                    sleep(pause).await;
                }
                None => return successful(response).await.map(drop),
            }
        }
    }

    /// Downloads a file, or the small picture of it, into `into`: one that the user has uploaded, or that goes with a message that the user
    /// may read. `progress` is told how many bytes have come. Errors: see [`MediaError`]; with the code `not_found` there is no such file
    /// for this user, with `media_lost` the store has lost it. What was written by then is a beginning of the file.
    pub async fn download(
        &self,
        media: MediaId,
        thumbnail: bool,
        into: &mut (impl AsyncWrite + Unpin + Send),
        progress: impl Fn(u64) + Send + Sync,
    ) -> Result<Downloaded, MediaError> {
        let (mut size, mut failures) = (0, 0);
        loop {
            let before = size;
            let error = match self.download_from(media, thumbnail, &mut size, into, &progress).await {
                Ok(kind) => {
                    into.flush().await?;
                    return Ok(Downloaded { kind, size });
                }
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            failures = if size > before { 1 } else { failures + 1 };
            if failures == TRIES {
                return Err(error);
            }
            sleep(PAUSE * failures).await;
        }
    }

    /// Where a file can be had: for `GET`, with these headers, until then. For programs that fetch it themselves.
    /// Errors: as of [`Client::download`].
    async fn offer(&self, media: MediaId, thumbnail: bool) -> Result<Offer, MediaError> {
        let what = Question::Download { media, thumbnail, name: None };
        let answer = self.ask_until(what, Instant::now() + self.ask_within).await?;
        let Answer::Download { url, headers, size, kind, expires: Millis(_) } = answer else {
            return Err(AskError::unexpected(&answer).into());
        };
        Ok(Offer { url: self.media_url(&url).await?, headers: headers_of(headers)?, kind, size })
    }

    async fn download_from(
        &self,
        media: MediaId,
        thumbnail: bool,
        size: &mut u64,
        into: &mut (impl AsyncWrite + Unpin),
        progress: &(impl Fn(u64) + Send + Sync),
    ) -> Result<MediaType, MediaError> {
        let Offer { url, headers, kind, size: whole } = self.offer(media, thumbnail).await?;
        let ended = |came| match whole {
            Some(whole) if whole != came => Err(MediaError::transfer(format!("{came} bytes came of {whole}"))),
            Some(_) | None => Ok(kind),
        };
        let mut request = http()?.get(url).headers(headers);
        if *size > 0 {
            request = request.header(RANGE, format!("bytes={size}-"));
        }
        let mut response = match send(request).await? {
            // All of it had come, and the connection was lost behind its last byte.
            response if *size > 0 && response.status() == StatusCode::RANGE_NOT_SATISFIABLE => return ended(*size),
            response => successful(response).await?,
        };
        if *size > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(MediaError::transfer("the store began anew instead of going on"));
        }
        loop {
            let chunk = tokio::time::timeout(SILENT_FOR, response.chunk()).await;
            let chunk = chunk.map_err(|_| MediaError::transfer("nothing came for a minute"))?;
            let Some(chunk) = chunk.map_err(MediaError::transfer)? else { return ended(*size) };
            into.write_all(&chunk).await?;
            *size += chunk.len() as u64;
            progress(*size);
        }
    }

    /// The address that a gateway has named: one without a host is of the gateway itself.
    async fn media_url(&self, url: &str) -> Result<Url, MediaError> {
        if !url.starts_with('/') {
            return Url::parse(url).map_err(MediaError::transfer);
        }
        let mut status = self.status();
        let connected = status.wait_for(|status| !matches!(status, Status::Connecting(_))).await;
        let gateway = match connected.as_deref() {
            Ok(Status::Connected(connected)) => connected.url.clone(),
            Ok(Status::Connecting(_) | Status::Ended(_)) | Err(_) => {
                return Err(AskError::Ended(self.why_ended()).into());
            }
        };
        beside(&gateway, url).ok_or_else(|| MediaError::transfer(format!("{url} is no address")))
    }
}

/// What lies beside `/v1/connect` of a gateway, whose WebSocket is at `gateway`.
fn beside(gateway: &str, path: &str) -> Option<Url> {
    let gateway = gateway.strip_suffix("/v1/connect").unwrap_or(gateway);
    let http = gateway.strip_prefix("ws").map(|rest| format!("http{rest}{path}"))?;
    Url::parse(&http).ok()
}

fn headers_of(headers: std::collections::BTreeMap<String, String>) -> Result<HeaderMap, MediaError> {
    let header = |(name, value): (String, String)| {
        let name = HeaderName::try_from(name).map_err(MediaError::transfer)?;
        Ok((name, HeaderValue::try_from(value).map_err(MediaError::transfer)?))
    };
    headers.into_iter().map(header).collect()
}

/// An HTTP client for one transfer: none of its bytes is of the connection's, which a program may hold thousands of.
fn http() -> Result<reqwest::Client, MediaError> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    client.connect_timeout(Duration::from_secs(10)).read_timeout(SILENT_FOR).build().map_err(MediaError::transfer)
}

async fn send(request: RequestBuilder) -> Result<Response, MediaError> {
    request.send().await.map_err(|error| MediaError::transfer(error.without_url()))
}

/// When to try again, where an answer says that it is too much just now (RFC 9110, section 10.2.3).
fn later(response: &Response) -> Option<Duration> {
    let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&response.status());
    let told = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
    busy.then(|| told.map_or(PAUSE, Duration::from_secs).max(PAUSE))
}

/// An answer that says that it is done. Errors: what it says instead.
async fn successful(response: Response) -> Result<Response, MediaError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let words = response.text().await.unwrap_or_default();
    Err(MediaError::transfer(format!("{status}: {}", words.chars().take(200).collect::<String>())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_host_is_the_gateways() {
        for (gateway, url) in [
            ("ws://127.0.0.1:8080/v1/connect", "http://127.0.0.1:8080/v1/media/x"),
            ("wss://im.example.org/eu/v1/connect", "https://im.example.org/eu/v1/media/x"),
        ] {
            assert_eq!(beside(gateway, "/v1/media/x").map(String::from).as_deref(), Some(url));
        }
        assert_eq!(beside("x", "/"), None);
    }
}
