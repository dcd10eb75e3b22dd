//! `dunlin send` by a machine whose clock is wrong, and through what answers with words that command a terminal.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A gateway as it seems to a machine whose clock is slow by decades: what its answers bear as `Date` is ahead. It loses the first
/// connection, so that the next token is made by that. Gives its port.
fn ahead_of_us(gateway: &str) -> u16 {
    const DATE: &str = "date: Fri, 01 Jan 2100 00:00:00 GMT";
    let gateway = gateway.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (number, mut client) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut server = TcpStream::connect(&gateway).unwrap();
            let (mut requests, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut requests, &mut to_server));
            std::thread::spawn(move || {
                let mut head = [0; 4_096];
                let length = server.read(&mut head).unwrap_or_default();
                let text = String::from_utf8_lossy(&head[..length]).into_owned();
                let date = text.lines().find(|line| line.starts_with("date: ")).expect("a date").to_owned();
                if client.write_all(text.replace(&date, DATE).as_bytes()).is_ok() && number > 0 {
                    let _ = std::io::copy(&mut server, &mut client);
                }
                let _ = client.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    port
}

#[test]
fn a_clock_that_is_wrong_is_named_where_a_token_made_by_it_is_refused() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path();
    let dev = Dev::start(folder);
    let url = format!("ws://127.0.0.1:{}", ahead_of_us(&dev.url));
    let sent = beside(folder, &["send", "--as", "alice", "--url", &url, "bob", "hi"]);
    assert!(!sent.status.success());
    for word in ["sending to bob", "this machine's clock is", "behind the gateway's", "set it right"] {
        assert!(stderr(&sent).contains(word), "{word:?} is not in {}", stderr(&sent));
    }
}

#[test]
fn a_terminal_obeys_nothing_that_stands_in_an_error() {
    let temporary = TempDir::new().unwrap();
    let folder = temporary.path().join("\u{1b}]0;pwned\u{7}\u{202e}").display().to_string();
    let looked = output(&mut dunlin(&["listen", "--as", "bob", "--data", &folder]));
    let said = stderr(&looked);
    assert!(!looked.status.success() && said.contains("\\u{1b}]0;pwned"), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
}
