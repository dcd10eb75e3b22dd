//! An S3 service of its own, in a temporary folder, behind a link that can be cut or fall silent; all of it goes with its handle.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dunlin_store::S3Settings;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    task::JoinHandle,
};

use crate::trial::until;

pub(crate) struct Service {
    folder: TempDir,
    child: Option<Child>,
    port: u16,
    silent: Arc<AtomicBool>,
    link: JoinHandle<()>,
}

impl Service {
    /// Starts one with a bucket; `None`, and said, where `scripts/setup --test` could not build it.
    pub(crate) async fn start() -> Option<Service> {
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/versitygw");
        let go = std::env::split_paths(&std::env::var_os("PATH")?).any(|folder| folder.join("go").exists());
        if !binary.exists() {
            assert!(!go, "there is no .tools/bin/versitygw: run scripts/setup --test");
            eprintln!("skipped: there is no Go, with which the S3 service of the tests is built");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["data/media", "sidecar"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = Arc::new(AtomicBool::new(false));
        let link = tokio::spawn(link(listener, folder.path().join("socket"), silent.clone()));
        let mut service = Service { folder, child: None, port, silent, link };
        service.restart().await;
        Some(service)
    }

    /// Starts it again, in the same place, and waits until it listens.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        let socket = self.folder.path().join("socket");
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/versitygw"));
        command.args(["--access", "dunlin", "--secret", "a secret of the tests", "--quiet", "--port"]).arg(&socket);
        command.args(["posix", "--sidecar"]).arg(self.folder.path().join("sidecar")).arg(self.data());
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        until(async || UnixStream::connect(&socket).await.is_ok()).await;
    }

    /// Kills it; who connects is hung up on.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let _gone = std::fs::remove_file(self.folder.path().join("socket"));
    }

    /// Whether nothing comes through connections that are made from now on.
    pub(crate) fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// The folder in which it keeps its buckets.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn settings(&self) -> S3Settings {
        S3Settings {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            public_endpoint: None,
            bucket: "media".to_owned(),
            region: "us-east-1".to_owned(),
            virtual_host: false,
            access_key: "dunlin".to_owned(),
            secret_key: "a secret of the tests".to_owned(),
            silence: Duration::from_secs(5),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.link.abort();
        self.kill();
    }
}

/// Carries each connection to the service's socket.
async fn link(listener: TcpListener, socket: PathBuf, silent: Arc<AtomicBool>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (socket, silent) = (socket.clone(), silent.clone());
        tokio::spawn(async move {
            if silent.load(Ordering::SeqCst) {
                return std::future::pending().await;
            }
            let Ok(mut service) = UnixStream::connect(socket).await else { return };
            let _ended = copy_bidirectional(&mut client, &mut service).await;
        });
    }
}
