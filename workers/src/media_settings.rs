//! What an operator chooses about files.

use std::{fs, io, path::PathBuf, time::Duration};

use dunlin_schema::{Millis, limits};
use dunlin_store::{S3Settings, Store};
use serde::{Deserialize, Serialize};

/// Where files are kept, and how much of them. Where neither a folder nor a bucket is named, none are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSettings {
    /// A folder, which all gateways and workers of the region share.
    pub directory: Option<PathBuf>,
    /// A bucket of an S3 service.
    pub s3: Option<BucketSettings>,
    /// Bytes that one person's files may have together.
    pub quota: u64,
    /// Whether pictures are kept without what they tell beside their pixels.
    pub strip_metadata: bool,
    /// How often the store is gone through for what no record speaks of.
    pub swept_every: Millis,
    /// How old that must be to be taken out.
    pub stray_after: Millis,
}

impl Default for MediaSettings {
    fn default() -> MediaSettings {
        MediaSettings {
            directory: None,
            s3: None,
            quota: limits::MEDIA_QUOTA,
            strip_metadata: false,
            swept_every: Millis(6 * 3_600_000),
            stray_after: limits::MEDIA_UPLOADED_FOR.plus(Millis(3_600_000)),
        }
    }
}

/// A bucket of an S3 service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSettings {
    /// The service's URL, as workers reach it.
    pub endpoint: String,
    /// The same as clients reach it, where that is another one.
    #[serde(default)]
    pub public_endpoint: Option<String>,
    /// The bucket's name.
    pub bucket: String,
    /// The service's region: `auto` for R2, `us-east-1` where a service has none.
    #[serde(default = "no_region")]
    pub region: String,
    /// Whether the bucket stands in the host instead of in the path.
    #[serde(default)]
    pub virtual_host: bool,
    /// A file with the access key's id.
    pub access_key_file: PathBuf,
    /// A file with the secret access key.
    pub secret_key_file: PathBuf,
}

fn no_region() -> String {
    "us-east-1".to_owned()
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum NoStore {
    /// Both are named.
    #[error("`media` names a directory and a bucket: files are kept in one place")]
    Both,
    /// A key can't be read.
    #[error("while reading {path:?}: {error}")]
    Key {
        /// Where it is said to be.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The bucket can't be right.
    #[error("`media.s3`: {0}")]
    Bucket(String),
    /// The folder can't be used.
    #[error("`media.directory`: {0}")]
    Directory(String),
}

impl MediaSettings {
    /// As [`MediaSettings::open`], of a store that should be there already: a folder is not made. It blocks. Errors: see [`NoStore`].
    pub fn open_existing(&self) -> Result<Option<Store>, NoStore> {
        match &self.directory {
            Some(folder) if !folder.is_dir() => {
                Err(NoStore::Directory(format!("there is no such folder: {}", folder.display())))
            }
            Some(_) | None => self.open(),
        }
    }

    /// The store that they name, if any. It blocks. Errors: see [`NoStore`].
    pub fn open(&self) -> Result<Option<Store>, NoStore> {
        match (&self.directory, &self.s3) {
            (Some(_), Some(_)) => Err(NoStore::Both),
            (Some(folder), None) => {
                Store::directory(folder).map(Some).map_err(|error| NoStore::Directory(error.to_string()))
            }
            (None, Some(bucket)) => bucket.open().map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl BucketSettings {
    fn open(&self) -> Result<Store, NoStore> {
        let key = |path: &PathBuf| match fs::read_to_string(path) {
            Ok(key) => Ok(key.trim().to_owned()),
            Err(error) => Err(NoStore::Key { path: path.clone(), error }),
        };
        let settings = S3Settings {
            endpoint: self.endpoint.clone(),
            public_endpoint: self.public_endpoint.clone(),
            bucket: self.bucket.clone(),
            region: self.region.clone(),
            virtual_host: self.virtual_host,
            access_key: key(&self.access_key_file)?,
            secret_key: key(&self.secret_key_file)?,
            silence: Duration::from_secs(10),
        };
        Store::s3(&settings).map_err(|error| NoStore::Bucket(error.to_string()))
    }
}
