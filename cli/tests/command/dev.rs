//! `dunlin dev`, as long as a test runs it.

use std::{io::Read as _, net::TcpStream};

use serde::Deserialize;

use super::*;

/// A running `dunlin dev`.
pub(super) struct Dev {
    pub(super) child: Child,
    pub(super) url: String,
    /// Where its page is.
    pub(super) page: String,
}

/// How a part is, as the page tells.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    pub(super) url: Option<String>,
    #[serde(deserialize_with = "pid")]
    pub(super) pid: Option<Pid>,
    pub(super) since: Option<u64>,
    pub(super) restarts: u32,
}

fn pid<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Pid>, D::Error> {
    Ok(Option::<i32>::deserialize(deserializer)?.map(Pid::from_raw))
}

/// An answer over HTTP.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

/// Asks at a URL's address: the request's first line without the version, and its other headers.
pub(super) fn ask(url: &str, request: &str, headers: &[&str]) -> Answer {
    let address = url.strip_prefix("http://").unwrap();
    let (line, host) = (format!("{request} HTTP/1.1"), format!("Host: {address}"));
    let named = headers.iter().any(|header| header.starts_with("Host:"));
    let own: &[&str] = if named { &[] } else { &[&host] };
    let head = [&[line.as_str(), "Connection: close"], own, headers].concat();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{}\r\n\r\n", head.join("\r\n")).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

impl Dev {
    pub(super) fn start(folder: &Path) -> Dev {
        Dev::start_by(dunlin(&[]), folder)
    }

    /// By a command that runs `dunlin` with the arguments that it is given.
    pub(super) fn start_by(command: Command, folder: &Path) -> Dev {
        Dev::start_with(command, folder, &[])
    }

    pub(super) fn start_with(mut command: Command, folder: &Path, options: &[&str]) -> Dev {
        let log = fs::File::options().create(true).append(true).open(folder.join("dev.log")).unwrap();
        command.args(["dev", "--listen", "127.0.0.1:0", "--page", "127.0.0.1:0"]).args(options);
        command.arg("--data").arg(data(folder)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = |word: &str| {
            let line = lines.next().and_then(Result::ok).unwrap_or_default();
            let url = line.strip_prefix(word).filter(|url| url.starts_with("http://127.0.0.1:"));
            url.map(str::to_owned).unwrap_or_else(|| {
                let log = fs::read_to_string(folder.join("dev.log")).unwrap();
                panic!("{line:?} is not `{word}http://ADDR`; the log: {log}")
            })
        };
        let (url, page) = (told("ready "), told("open "));
        Dev { child, url, page }
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// How a part is: `nats`, `worker`, `gateway/1`.
    pub(super) fn part(&self, name: &str) -> Part {
        let answer = ask(&self.page, "GET /dev/parts", &[]);
        let mut parts: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let part = match name.split_once('/') {
            Some((_, number)) => {
                let number: usize = number.parse().unwrap();
                let gateway = parts["gateways"][number - 1].take();
                assert_eq!(gateway["number"], number, "{gateway}");
                gateway
            }
            None => parts[name].take(),
        };
        serde_json::from_value(part).unwrap()
    }

    /// The process that a part is.
    pub(super) fn pid(&self, name: &str) -> Pid {
        self.part(name).pid.unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
