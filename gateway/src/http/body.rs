//! The bodies of requests: JSON, whole, and within bounds.

use std::time::Duration;

use axum::{
    body::BodyDataStream,
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT},
    },
};
use dunlin_schema::{Code, limits};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::refusal::{Refusal, refusal};

/// What refuses a request by its method or its body, with the status that says so: for the description of a POST.
pub(super) const REFUSED: [(u16, &str); 3] =
    [(405, "another method than POST"), (408, "the body did not come in time"), (415, "no `application/json`")];

/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// How much of the body of a refused request is read all the same, and for how long: with bytes unread the connection would be reset, and
/// its answer lost on the way. The largest body that anything takes is a part of a file.
const PASSED_OVER_BYTES: u64 = limits::MEDIA_PART_BYTES;
const PASSED_OVER_FOR: Duration = Duration::from_secs(5);

/// Reads the body of a request that is refused. Whoever waits to be told to go on has not begun.
pub(super) async fn pass_over(headers: &HeaderMap, body: &mut BodyDataStream) {
    if !headers.contains_key(EXPECT) {
        let _ = timeout(PASSED_OVER_FOR, gather(body, PASSED_OVER_BYTES, |_| ())).await;
    }
}

/// Whether the body is said to be JSON, as it is.
pub(super) fn json(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity");
    if plain && kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let message = "the body is JSON as it is: send `Content-Type: application/json` and no `Content-Encoding`";
    Err(refusal(Code::BadFrame, message).status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// The whole body. Errors: it is too large, or did not come.
pub(super) async fn read(headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Vec<u8>, Refusal> {
    let too_large = || {
        let message = format!("a body has at most {} bytes", limits::FRAME_BYTES);
        refusal(Code::TooLarge, message)
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits::FRAME_BYTES as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let gathered = gather(body, limits::FRAME_BYTES as u64, |chunk| bytes.extend_from_slice(chunk));
    match timeout(BODY_WITHIN, gathered).await {
        Ok(Gathered::Whole) => Ok(bytes),
        Ok(Gathered::TooMuch) => Err(too_large()),
        Ok(Gathered::BrokenOff) => Err(refusal(Code::BadFrame, "the body broke off")),
        Err(_late) => {
            let message = format!("the body did not come within {} s", BODY_WITHIN.as_secs());
            Err(refusal(Code::BadFrame, message).status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

/// How a body ended.
enum Gathered {
    Whole,
    TooMuch,
    BrokenOff,
}

/// Reads a body to its end, or until it has more than `most` bytes.
async fn gather(body: &mut BodyDataStream, most: u64, mut take: impl FnMut(&[u8])) -> Gathered {
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else { return Gathered::BrokenOff };
        length += chunk.len() as u64;
        if length > most {
            return Gathered::TooMuch;
        }
        take(&chunk);
    }
    Gathered::Whole
}
