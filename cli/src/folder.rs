//! The folder of `dunlin dev`: its lock, its keys, its nats-server's store, its projections, its media, and where it listens.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use dunlin_nats::ConnectOptions;
use dunlin_schema::RegionName;
use dunlin_workers::{Config, media_settings::MediaSettings};

/// Which folder.
#[derive(Clone, Debug, Args)]
pub struct FolderArgs {
    /// The folder of `dunlin dev`
    #[arg(long = "data", env = "DUNLIN_DATA", default_value = ".dunlin", value_name = "DIR", hide_env_values = true)]
    pub path: PathBuf,
}

/// The folder of `dunlin dev`.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// As long as it lives, no other `dunlin dev` runs in the folder.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl FolderArgs {
    /// The folder, which need not exist.
    pub fn folder(&self) -> Folder {
        Folder(self.path.clone())
    }
}

impl Folder {
    /// Makes the folder, for its owner only: it holds a signing key. Errors: it can't be made.
    pub fn create(path: &Path) -> anyhow::Result<Folder> {
        make(path)?;
        // nats-server runs with another idea of the current folder.
        let path = path.canonicalize().with_context(|| format!("opening the folder {}", path.display()))?;
        Ok(Folder(path))
    }

    /// Takes the folder for this process. Errors: another one has it.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        let path = self.0.join("lock");
        let doing = || format!("locking {}", path.display());
        let file = File::options().create(true).truncate(false).write(true).open(&path).with_context(doing)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another `dunlin dev` runs in {}: end that one, or give this one a folder of its own with --data",
                self.0.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(doing),
        }
    }

    /// The key that signs tokens.
    pub fn signing_key(&self) -> PathBuf {
        self.0.join("signing-key.pem")
    }

    /// The key set that gateways check tokens with.
    pub fn key_set(&self) -> PathBuf {
        self.0.join("jwks.json")
    }

    /// The configuration of what runs in the folder as this command.
    pub fn config(&self, command: &str) -> PathBuf {
        self.0.join(command).with_extension("toml")
    }

    /// Where nats-server has its configuration, store, log and ports.
    pub fn nats(&self) -> anyhow::Result<PathBuf> {
        let path = self.0.join("nats");
        make(&path)?;
        Ok(path)
    }

    /// Where workers keep what they made of the log: it can be made again.
    pub fn projections(&self) -> PathBuf {
        self.0.join("projections")
    }

    /// Where files are kept that go with messages.
    pub fn media(&self) -> PathBuf {
        self.0.join("media")
    }

    /// The file that keeps a device's cursor.
    pub fn cursors(&self, user: &str, device: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join("cursors");
        make(&path)?;
        Ok(path.join(format!("{user}.{device}.redb")))
    }

    /// The URL of the gateway that runs in this folder. Errors: none does.
    pub fn address(&self) -> anyhow::Result<String> {
        self.told("address", "a gateway")
    }

    /// The URL of the nats-server that runs in this folder. Errors: none does.
    pub fn nats_address(&self) -> anyhow::Result<String> {
        self.told("nats-address", "a nats-server")
    }

    /// What a worker of the region that runs in this folder is configured with, for whoever looks at it. Errors: none does.
    pub fn worker(&self) -> anyhow::Result<Config> {
        Ok(Config {
            nats: ConnectOptions { servers: vec![self.nats_address()?], ..ConnectOptions::default() },
            region: RegionName::new("local").expect("`local` is a name"),
            media: MediaSettings { directory: Some(self.media()), ..MediaSettings::default() },
            ..Config::default()
        })
    }

    fn told(&self, name: &str, what: &str) -> anyhow::Result<String> {
        let path = self.0.join(name);
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "looking up in {} where {what} listens: does `dunlin dev` run there? Start it, or say where with --data or a URL",
                path.display()
            )
        })?;
        Ok(text.trim().to_owned())
    }

    /// Says where gateway and nats-server listen.
    pub fn tell(&self, gateway: &str, nats: &str) -> anyhow::Result<()> {
        write_secret(&self.0.join("nats-address"), nats)?;
        write_secret(&self.0.join("address"), gateway)
    }

    /// Nothing listens any more. That it said so is not checked: the next start says it anew.
    pub fn untell(&self) {
        for name in ["address", "nats-address"] {
            if let Err(error) = fs::remove_file(self.0.join(name))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(name, %error, "the folder still says where nothing listens any more");
            }
        }
    }
}

fn make(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("making the folder {}: choose another one with --data", path.display()))
}

/// Writes a file for its owner only, in one step: whoever reads it sees all of it or nothing.
pub(crate) fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let doing = || format!("writing {}", path.display());
    let part = path.with_extension("part");
    let mut file =
        File::options().create(true).truncate(true).write(true).mode(0o600).open(&part).with_context(doing)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(doing)?;
    fs::rename(&part, path).with_context(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_do_not_share_a_folder() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::create(&temporary.path().join("a/b")).unwrap();
        let lock = folder.lock().unwrap();
        let error = folder.lock().unwrap_err().to_string();
        assert!(error.contains("another `dunlin dev` runs in") && error.contains("--data"), "{error}");
        drop(lock);
        folder.lock().unwrap();
    }

    #[test]
    fn where_nothing_runs_it_says_what_to_do() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::create(temporary.path()).unwrap();
        let error = folder.address().unwrap_err().to_string();
        assert!(error.contains("does `dunlin dev` run there?"), "{error}");
        folder.tell("http://127.0.0.1:1", "nats://127.0.0.1:2").unwrap();
        assert_eq!(
            (folder.address().unwrap(), folder.nats_address().unwrap()),
            ("http://127.0.0.1:1".into(), "nats://127.0.0.1:2".into())
        );
        folder.untell();
        assert!(folder.address().is_err());
    }
}
