//! The floor of a group: one thread that writes what one socket says into every socket, one after the other. What is left of a group when
//! members, order, storage and slow sockets are taken away.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use super::wire;

const LISTENER: Token = Token(usize::MAX);
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// Runs until it is killed. Says `ready http://ADDRESS` when it listens.
pub(super) fn run(listen: SocketAddr) -> anyhow::Result<()> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(256));
    let mut listener = TcpListener::bind(listen)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(std::io::stdout(), "ready http://{}", listener.local_addr()?)?;
    let mut members: Vec<TcpStream> = Vec::new();
    let (mut buffer, mut out) = (vec![0; 64 * 1024], Vec::new());
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(members.len()), Interest::READABLE)?;
                    members.push(stream);
                }
                continue;
            }
            let Ok(length) = members[event.token().0].read(&mut buffer) else { continue };
            // The generator's requests and messages are short, and come in one piece each.
            if buffer[..length].starts_with(b"GET ") {
                members[event.token().0].write_all(ANSWER)?;
                continue;
            }
            let mut rest = &buffer[..length];
            while let Some((payload, used)) = wire::said(rest) {
                rest = &rest[used..];
                out.clear();
                wire::say(&mut out, payload);
                for member in &mut members {
                    // Who does not read, or is gone, misses it.
                    let _ = member.write(&out);
                }
            }
        }
    }
}
