//! What a service's answers mean.

use reqwest::{Response, StatusCode};

use crate::Error;

/// How much of an answer that is XML is read, in bytes: of a page of 1,000 keys a third.
const XML: usize = 2 << 20;

/// Why an action was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was to be done only if nothing is there, and something is; or a copy's source has changed.
    Exists,
    /// Anything else.
    Store(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Exists => Error::unavailable("something else was put there meanwhile"),
            Failure::Store(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Store(error)
    }
}

/// No answer came, or not all of it. What is told names no URL: they are signed.
pub(super) fn lost(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    Error::unavailable(causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}")))
}

/// Gives an answer that says that it was done.
pub(super) async fn judge(answer: Response) -> Result<Response, Failure> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    // An answer to HEAD has no body, nor have some from what stands before the service.
    let body = text(answer).await.unwrap_or_default();
    let code = tag(&body, "Code").unwrap_or(status.canonical_reason().unwrap_or_default()).to_owned();
    let told = format!("{} {code}", status.as_u16());
    Err(match (status, code.as_str()) {
        (StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT, _) => Failure::Exists,
        (StatusCode::INSUFFICIENT_STORAGE, _)
        | (_, "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" | "EntityTooLarge") => {
            Error::Full.into()
        }
        (StatusCode::NOT_FOUND, "NoSuchKey" | "NoSuchUpload" | "Not Found") => Error::NotFound.into(),
        // Without a body it has the status's own name. Anything else that is not there is not an object: a bucket, an access key.
        (StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _)
        | (_, "PermanentRedirect" | "AuthorizationHeaderMalformed") => Error::Denied(told).into(),
        _ => Error::unavailable(told).into(),
    })
}

/// An answer's body as text, where it is no longer than it should be.
pub(super) async fn text(mut answer: Response) -> Result<String, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(lost)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > XML {
            return Err(Error::unavailable("its answer is too long"));
        }
    }
    String::from_utf8(bytes).map_err(Error::unavailable)
}

/// What stands in the first element of this name, as it is written there.
pub(super) fn tag<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

#[test]
fn an_element_is_found() {
    let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>no</Message></Error>";
    assert_eq!(tag(xml, "Code"), Some("NoSuchKey"));
    for cut in ["", "<Code>", "<Code>NoSuchKey", "</Code><Code>", "Code"] {
        assert_eq!(tag(cut, "Code"), None, "{cut:?}");
    }
}
