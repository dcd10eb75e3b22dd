//! A bucket of an S3 service of its own, in a temporary folder: versitygw, which `scripts/setup --test` builds where there is a Go.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use dunlin_store::{S3Settings, Store};
use tempfile::TempDir;

use crate::{cluster::free_ports, wait::PATIENCE};

const NAME: &str = "media";
const ACCESS: &str = "dunlin";
const SECRET: &str = "a secret of the tests";

/// The service. It ends with its handle.
pub struct Bucket {
    folder: TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Bucket {
    /// Starts a service with an empty bucket; `None`, and said, where it could not be built.
    pub fn start() -> Option<Bucket> {
        let go = std::env::split_paths(&std::env::var_os("PATH")?).any(|folder| folder.join("go").exists());
        if !binary().exists() {
            assert!(!go, "there is no .tools/bin/versitygw: run scripts/setup --test");
            eprintln!("skipped: there is no Go, with which the S3 service of the tests is built");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["data/media", "sidecar"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        for (name, key) in [("access", ACCESS), ("secret", SECRET)] {
            fs::write(folder.path().join(name), key).expect("writing a key");
        }
        let mut bucket = Bucket { folder, address: SocketAddr::from(([127, 0, 0, 1], free_ports(1)[0])), child: None };
        bucket.restart();
        Some(bucket)
    }

    /// `kill -9`, and the service again, in the same place and at the same address. It listens when this returns.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(binary());
        command.args(["--access", ACCESS, "--secret", SECRET, "--quiet", "--port", &self.address.to_string()]);
        command
            .args(["posix", "--sidecar"])
            .arg(self.folder.path().join("sidecar"))
            .arg(self.folder.path().join("data"));
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starting versitygw"));
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(begun.elapsed() < PATIENCE, "versitygw listens");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killing our own child");
            child.wait().expect("waiting for our own child");
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The section `[media.s3]` of a worker that reaches it at `address`, as clients do: where it listens, or a link to there.
    pub fn section(&self, address: SocketAddr) -> String {
        let key = |name| self.folder.path().join(name).display().to_string();
        format!(
            "[media.s3]\nendpoint = \"http://{address}\"\nbucket = \"{NAME}\"\n\
             access_key_file = {:?}\nsecret_key_file = {:?}\n",
            key("access"),
            key("secret"),
        )
    }

    /// What is in it, past everybody else.
    pub fn store(&self) -> Store {
        let settings = S3Settings {
            endpoint: format!("http://{}", self.address),
            public_endpoint: None,
            bucket: NAME.to_owned(),
            region: "us-east-1".to_owned(),
            virtual_host: false,
            access_key: ACCESS.to_owned(),
            secret_key: SECRET.to_owned(),
            silence: Duration::from_secs(10),
        };
        Store::s3(&settings).expect("settings that can be right")
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.kill();
    }
}

fn binary() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/versitygw")
}
