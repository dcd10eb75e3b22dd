//! `dunlin dev`, as long as a test runs it.

use super::*;

/// A running `dunlin dev`.
pub(super) struct Dev {
    pub(super) child: Child,
    pub(super) url: String,
}

impl Dev {
    pub(super) fn start(folder: &Path) -> Dev {
        Dev::start_by(dunlin(&[]), folder)
    }

    /// By a command that runs `dunlin` with the arguments that it is given.
    pub(super) fn start_by(mut command: Command, folder: &Path) -> Dev {
        let log = fs::File::options().create(true).append(true).open(folder.join("dev.log")).unwrap();
        command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data(folder));
        let (child, line) = first_line(command.stdin(Stdio::null()).stderr(log));
        let url = line.strip_prefix("ready ").unwrap_or_else(|| {
            panic!(
                "{line:?} is not `ready http://ADDR`; the log: {}",
                fs::read_to_string(folder.join("dev.log")).unwrap()
            )
        });
        assert!(url.starts_with("http://127.0.0.1:"), "{line:?}");
        Dev { url: url.trim_end().to_owned(), child }
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// The nats-server that is its child.
    pub(super) fn nats_server(&self) -> Option<Pid> {
        let task = format!("/proc/{}/task", self.child.id());
        for thread in fs::read_dir(task).ok()? {
            let children = fs::read_to_string(thread.ok()?.path().join("children")).unwrap_or_default();
            if let Some(pid) = children.split_whitespace().next() {
                return Some(Pid::from_raw(pid.parse().unwrap()));
            }
        }
        None
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
