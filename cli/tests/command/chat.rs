//! `dunlin chat`: two people hold a conversation, over pipes and in a terminal.

use std::{
    fs::File,
    io::Read,
    process::ChildStdin,
    sync::{Arc, Mutex},
};

use nix::pty::{Winsize, openpty};
use serde_json::Value;

use super::*;

/// Everything that a process writes, as it comes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn of(mut from: impl Read + Send + 'static) -> Written {
        let written = Written::default();
        let into = written.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 4_096];
            while let Ok(length @ 1..) = from.read(&mut chunk) {
                into.0.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        written
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// A `dunlin chat` over pipes.
struct Chat {
    child: Child,
    input: Option<ChildStdin>,
    output: Written,
    errors: Written,
}

impl Chat {
    /// Once it is connected.
    fn start(folder: &Path, who: &str, with: &str) -> Chat {
        let mut command = dunlin(&["chat", "--as", who, with, "--data"]);
        let command = command.arg(data(folder)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let chat = Chat {
            input: child.stdin.take(),
            output: Written::of(child.stdout.take().unwrap()),
            errors: Written::of(child.stderr.take().unwrap()),
            child,
        };
        chat.hears("a connection", |line| line["chat"]["as"] == who && line["chat"]["with"] == with);
        chat
    }

    fn types(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn lines(&self) -> Vec<Value> {
        let text = self.output.text();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?} is no JSON"))).collect()
    }

    /// Waits for a line.
    fn hears(&self, what: &str, is_it: impl Fn(&Value) -> bool) {
        let complain = || format!("{what} did not come; it wrote {}{}", self.output.text(), self.errors.text());
        until_or(|| self.lines().iter().any(&is_it), complain);
    }

    /// Waits until a message of this text is shown like this.
    fn sees(&self, text: &str, field: &str, value: impl Into<Value>) {
        let value = value.into();
        let what = format!("{text:?} with {field} {value}");
        self.hears(&what, |line| line["message"]["text"] == text && line["message"][field] == value);
    }

    /// Ends as at the end of the input, with this exit code.
    fn leaves(mut self, code: i32) {
        drop(self.input.take());
        let status = end(&mut self.child);
        assert_eq!(status.code(), Some(code), "{}", self.errors.text());
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Alice's `dunlin chat` with bob in a terminal.
struct Terminal {
    chat: Killed,
    keys: File,
    written: Written,
}

impl Terminal {
    fn start(folder: &Path, columns: u16, more: &[&str]) -> Terminal {
        let pty = openpty(&Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }, None).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = dunlin(&[&["chat", "--as", "alice", "bob"], more, &["--data"]].concat());
        let command = command.arg(data(folder)).env("NO_COLOR", "1");
        let chat = Killed(command.stdin(slave()).stdout(slave()).stderr(Stdio::piped()).spawn().unwrap());
        let keys = File::from(pty.master);
        Terminal { chat, written: Written::of(keys.try_clone().unwrap()), keys }
    }

    fn types(&mut self, keys: &str) {
        write!(self.keys, "{keys}").unwrap();
    }

    fn shows(&self, what: &str) {
        until_or(|| self.written.text().contains(what), || format!("{what:?} was not drawn: {}", self.screen()));
    }

    /// Waits until these stand on the screen, and those do not.
    fn stands(&self, there: &[&str], gone: &[&str]) {
        let holds = || {
            let screen = self.screen();
            there.iter().all(|text| screen.contains(text)) && !gone.iter().any(|text| screen.contains(text))
        };
        until_or(holds, || format!("{there:?} does not stand without {gone:?}: {}", self.screen()));
    }

    /// What was drawn last.
    fn screen(&self) -> String {
        let text = self.written.text();
        let drawn = text.rsplit_once("\u{1b}[?2026l").map_or("", |(drawn, _)| drawn);
        drawn.rsplit("\u{1b}[?2026h").next().unwrap_or_default().to_owned()
    }
}

#[test]
fn two_people_hold_a_conversation_and_one_of_them_goes_and_comes_back() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let mut dev = Dev::start(folder);
    let mut alice = Chat::start(folder, "alice", "bob");
    let mut bob = Chat::start(folder, "bob", "alice");

    alice.hears("that bob is there", |line| line["presence"]["user"] == "bob" && line["presence"]["state"] == "online");
    alice.types("hi");
    alice.sees("hi", "state", "sending");
    alice.sees("hi", "state", "sent");
    bob.sees("hi", "from", "alice");
    bob.types("/react 👍");
    alice.hears("a reaction", |line| line["message"]["reactions"][0]["emoji"] == "👍");
    alice.sees("hi", "state", "read");
    bob.types("hello");
    alice.sees("hello", "from", "bob");
    bob.sees("hello", "state", "read");
    bob.types("/edit good morning");
    alice.sees("good morning", "edited", true);
    bob.types("/delete");
    alice.hears("a deletion", |line| line["message"]["deleted"] == true && line["message"]["text"].is_null());
    bob.types("/dance");
    bob.hears("what is no command", |line| line["notice"].as_str().is_some_and(|words| words.contains("//dance")));
    // Nobody's terminal obeys what others write.
    alice.types("\u{1b}[2J\u{9b}2J");
    bob.sees("\u{1b}[2J\u{9b}2J", "from", "alice");
    assert!(!bob.output.text().chars().any(|c| c.is_control() && c != '\n'));

    // Nothing has come of the dance.
    bob.leaves(1);
    alice.hears("that bob is gone", |line| line["presence"]["state"] == "offline");
    alice.types("are you there?");
    alice.sees("are you there?", "state", "sent");
    let last =
        |chat: &Chat| chat.lines().iter().rev().find(|line| line["message"]["text"] == "are you there?").cloned();
    assert_eq!(last(&alice).unwrap()["message"]["state"], "sent", "bob is away");
    let mut bob = Chat::start(folder, "bob", "alice");
    bob.sees("are you there?", "from", "alice");
    alice.sees("are you there?", "state", "read");
    bob.hears("what was said before", |line| {
        line["message"]["text"] == "hi" && line["message"]["reactions"][0]["by"] == "bob"
    });
    bob.types("//quit");
    alice.sees("/quit", "from", "bob");
    bob.types("/quit");
    assert!(end(&mut bob.child).success());

    // What can't be sent any more is said.
    dev.signal(Signal::SIGTERM);
    end(&mut dev.child);
    alice.hears("the loss of the connection", |line| line["connection"]["lost"].is_string());
    alice.types("lost words");
    alice.sees("lost words", "state", "sending");
    alice.types("/delete");
    alice.hears("that it can't be deleted yet", |line| line["notice"] == "your last message is not sent yet");
    kill(Pid::from_raw(alice.child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(end(&mut alice.child).code(), Some(75));
    until("the words", || alice.errors.text().contains("not known to be stored: lost words"));
}

#[test]
fn a_group_holds_a_conversation_and_is_told_who_comes_and_goes() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let _dev = Dev::start(folder);
    let group = |arguments: &[&str]| assert!(beside(folder, &[&["group"], arguments].concat()).status.success());
    group(&["create", "team", "bob", "--title", "The team", "--as", "alice"]);
    let mut alice = Chat::start(folder, "alice", "#team");
    let mut bob = Chat::start(folder, "bob", "#team");
    alice.types("hi");
    bob.sees("hi", "from", "alice");
    alice.sees("hi", "state", "read");
    bob.types("/react 👍");
    alice.hears("a reaction", |line| line["message"]["reactions"][0]["by"] == "bob");
    group(&["add", "team", "carol", "--as", "alice"]);
    bob.hears("who came", |line| line["members"] == "alice added carol");
    let mut carol = Chat::start(folder, "carol", "#team");
    carol.types("hello");
    for chat in [&alice, &bob] {
        chat.sees("hello", "from", "carol");
    }
    assert!(!carol.output.text().contains("\"hi\""), "it was said before she came");
    carol.types("/edit good morning");
    alice.sees("good morning", "edited", true);
    group(&["leave", "team", "--as", "carol"]);
    bob.hears("who left", |line| line["members"] == "carol left");
    alice.types("bye");
    bob.sees("bye", "from", "alice");
    bob.types("/quit");
    assert!(end(&mut bob.child).success());
    assert!(!carol.output.text().contains("bye"), "it was said when she was gone");
}

#[test]
fn a_script_is_told_by_the_exit_code_what_was_refused_and_what_nobody_knows() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let _dev = Dev::start(folder);
    let said = |with: &str, words: &str, more: &[&str]| {
        let input = folder.join("words");
        std::fs::write(&input, words).unwrap();
        let mut command = dunlin(&["chat", "--as", "alice", with, "--data"]);
        ended(command.arg(data(folder)).args(more).stdin(File::open(&input).unwrap()))
    };
    let too_long = "x".repeat(40_000);
    for (with, words) in
        [("bob", too_long.as_str()), ("#team", "hi"), ("bob@eu", "hi"), ("carol", "/delete"), ("carol", "/nothing")]
    {
        let ended = said(with, words, &[]);
        assert_eq!(ended.status.code(), Some(1), "{with}: {}", stderr(&ended));
        assert!(!stderr(&ended).contains("not known to be stored"), "{with}: {}", stderr(&ended));
    }
    assert_eq!(said("bob", "hi", &[]).status.code(), Some(0));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = said("bob", "hi", &["--url", &format!("http://{nobody}"), "--timeout", "1s"]);
    assert_eq!(ended.status.code(), Some(75), "{}", stderr(&ended));
    assert!(stderr(&ended).contains("no gateway could be reached"), "{}", stderr(&ended));
}

#[test]
fn a_device_that_is_removed_or_taken_by_another_does_not_come_back_by_itself() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let _dev = Dev::start(folder);
    let mut first = Chat::start(folder, "alice", "bob");
    let mut second = Chat::start(folder, "alice", "bob");
    assert_eq!(end(&mut first.child).code(), Some(1));
    until("what to do", || first.errors.text().contains("give each its own with --device"));
    let removed = beside(folder, &["devices", "remove", "--as", "alice", "chat"]);
    assert!(removed.status.success(), "{}", stderr(&removed));
    assert_eq!(end(&mut second.child).code(), Some(1));
    until("the reason", || second.errors.text().contains("the user removed the device (token_revoked)"));
    let listed = beside(folder, &["devices", "--as", "alice"]);
    assert_eq!(stdout(&listed), "");

    let token = stdout(&beside(folder, &["token", "alice", "--ttl", "1h"]));
    let revoked = beside(folder, &["revoke", "--user", "alice"]);
    assert!(revoked.status.success(), "{}", stderr(&revoked));
    let sent = beside(folder, &["send", "--token", &token, "bob", "hi"]);
    assert!(stderr(&sent).contains("the token was revoked"), "{}", stderr(&sent));
    let wrong = beside(folder, &["send", "--token", "a.b.c", "bob", "hi"]);
    assert!(stderr(&wrong).contains("`dunlin token check TOKEN`"), "{}", stderr(&wrong));
}

#[test]
fn a_terminal_is_drawn_on_while_there_is_no_gateway_and_what_is_typed_is_kept() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let dev = Dev::start(folder);
    let (at, later) = (TcpListener::bind("127.0.0.1:0").unwrap(), dev.url.strip_prefix("http://").unwrap().to_owned());
    let port = at.local_addr().unwrap().port();
    drop(at);
    let mut alice = Terminal::start(folder, 200, &["--url", &format!("ws://127.0.0.1:{port}")]);
    alice.shows("alice with bob · connecting");
    alice.shows("no connection, trying again: ");
    alice.types("kept\r");
    alice.shows("> kept");
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut server = std::net::TcpStream::connect(&later).unwrap();
            let (mut requests, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut requests, &mut to_server));
            std::thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    alice.shows("/help");
    alice.types("\r");
    alice.shows("you: kept  ✓");
    alice.types("\u{3}");
    assert!(end(&mut alice.chat.0).success());
}

#[test]
fn in_a_terminal_nothing_is_lost_unseen() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let mut dev = Dev::start(folder);
    let mut bob = Chat::start(folder, "bob", "alice");
    let mut alice = Terminal::start(folder, 80, &[]);
    alice.stands(&["alice with bob · bob is online"], &[]);
    // A notice hides nothing, and goes by itself.
    alice.types("/help\r");
    alice.stands(&["//x sends /x", "bob is online"], &[]);
    // What is not taken can be made shorter.
    alice.types(&format!("\u{1b}[200~{}\u{1b}[201~\r", "x".repeat(33_000)));
    alice.stands(&["not sent: ", "> xxxx"], &["//x sends"]);
    alice.types("\u{15}");
    alice.stands(&["bob is online"], &["> x", "not sent: "]);

    // What is not seen is not read.
    (0..30).for_each(|number| bob.types(&format!("{number} of 30")));
    bob.sees("29 of 30", "state", "read");
    alice.types("\u{1b}[5~");
    alice.stands(&["bob: 9 of 30"], &["bob: 29 of 30"]);
    bob.types("news");
    bob.sees("news", "state", "delivered");
    alice.types("y");
    bob.hears("typing", |line| line["typing"]["on"] == true);
    assert!(!bob.lines().iter().any(|line| line["message"]["text"] == "news" && line["message"]["state"] == "read"));
    alice.types("\u{7f}\u{1b}[6~");
    bob.sees("news", "state", "read");

    dev.signal(Signal::SIGTERM);
    end(&mut dev.child);
    alice.stands(&["no connection, trying again: "], &[]);
    alice.types("oops\r/quit\r");
    alice.stands(&["you: oops  …", "sending what is left; Ctrl-C ends"], &[]);
    let asked = Instant::now();
    alice.types("\u{3}");
    assert_eq!(end(&mut alice.chat.0).code(), Some(75));
    assert!(asked.elapsed() < Duration::from_secs(15), "it waited for what is not sent: {:?}", asked.elapsed());
}

#[test]
fn in_a_terminal_there_are_ticks_and_typing() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let _dev = Dev::start(folder);
    let mut bob = Chat::start(folder, "bob", "alice");
    let mut listen = dunlin(&["listen", "--as", "bob", "--log", "info", "--data"]);
    let listen = listen.arg(data(folder)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut listening = Killed(listen.spawn().unwrap());
    let heard = Written::of(listening.0.stdout.take().unwrap());
    let log = Written::of(listening.0.stderr.take().unwrap());
    until("a listener", || log.text().contains("listening as bob, device listen, at "));
    let mut alice = Terminal::start(folder, 80, &[]);
    alice.shows("alice with bob · bob is online");
    alice.types("xhey\u{1b}[D\u{1b}[D\u{1b}[D\u{7f}\u{1b}[F");
    bob.hears("typing", |line| line["typing"]["on"] == true);
    alice.types(&"\u{7f}".repeat(3));
    let told_stopped = |times: usize| {
        let told = || heard.text().matches(r#""kind":"typing_stopped""#).count() == times;
        until("the end of typing, which is told", told);
    };
    told_stopped(1);
    bob.hears("the end of typing", |line| line["typing"]["on"] == false);
    alice.types("hey you\r");
    bob.sees("hey you", "from", "alice");
    alice.shows("you: hey you  ✓✓ read");
    bob.types("\u{1b}]0;title\u{7}");
    alice.shows("bob: \\u{1b}]0;title\\u{7}");
    bob.types("/react 👍");
    alice.shows("[👍 bob]");
    alice.types("half a line");
    bob.hears("typing again", |line| line["typing"]["on"] == true);
    alice.types("\u{3}");
    assert!(end(&mut alice.chat.0).success(), "nothing of what was sent is unsent");
    told_stopped(2);
    // The terminal is as before.
    until("the terminal back", || alice.written.text().ends_with("\u{1b}[?1049l"));
    bob.leaves(0);
}
