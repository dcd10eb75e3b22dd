//! Where a bucket is, and who we are to it.

use std::{fmt, time::Duration};

use reqwest::{Client, Url};
use rusty_s3::{Bucket, Credentials, UrlStyle};

use super::S3;

/// A bucket of an S3 service.
#[derive(Clone)]
pub struct S3Settings {
    /// The service's URL, as Dunlin reaches it: `https://s3.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// Its URL as clients reach it, where that is another one. It is what presigned URLs name, so a proxy has to leave the host as it is.
    pub public_endpoint: Option<String>,
    /// The bucket's name.
    pub bucket: String,
    /// The service's region, such as `eu-central-1`; `auto` for R2, `us-east-1` where a service has none.
    pub region: String,
    /// Whether the bucket stands in the host (`bucket.s3.…`) instead of in the path.
    pub virtual_host: bool,
    /// The access key's id.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: String,
    /// How long the service may be silent before it counts as down; 10 s does.
    pub silence: Duration,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "S3Settings {{ endpoint: {:?}, bucket: {:?}, secret_key: … }}", self.endpoint, self.bucket)
    }
}

/// Settings with which no bucket can be reached.
#[derive(Debug, thiserror::Error)]
#[error("{what} is wrong: {why}")]
pub struct WrongSettings {
    what: &'static str,
    why: String,
}

impl S3 {
    pub(crate) fn new(settings: &S3Settings) -> Result<S3, WrongSettings> {
        let bucket = |what, endpoint: &str| {
            let wrong = |why: String| WrongSettings { what, why };
            let url: Url = endpoint.parse().map_err(|why| wrong(format!("{endpoint:?} is no URL: {why}")))?;
            let style = if settings.virtual_host { UrlStyle::VirtualHost } else { UrlStyle::Path };
            Bucket::new(url, style, settings.bucket.clone(), settings.region.clone())
                .map_err(|why| wrong(format!("{endpoint:?} with the bucket {:?}: {why}", settings.bucket)))
        };
        // A dot segment would be another bucket, and what is signed as a header has to be one.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let name = &settings.bucket;
        if name.is_empty() || !name.chars().all(plain) || name.chars().all(|c| c == '.') {
            return Err(WrongSettings { what: "bucket", why: format!("{name:?} is no bucket's name") });
        }
        let inner = bucket("endpoint", &settings.endpoint)?;
        let public =
            settings.public_endpoint.as_ref().map(|endpoint| bucket("public_endpoint", endpoint)).transpose()?;
        let http = Client::builder()
            .connect_timeout(settings.silence)
            .read_timeout(settings.silence)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|why| WrongSettings { what: "TLS of this machine", why: why.to_string() })?;
        Ok(S3 {
            http,
            public: public.unwrap_or_else(|| inner.clone()),
            bucket: inner,
            credentials: Credentials::new(&settings.access_key, &settings.secret_key),
        })
    }
}
