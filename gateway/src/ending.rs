//! How a socket ends: the last frame, the close, and a moment for the client to read both.

use std::{future::poll_fn, time::Duration};

use dunlin_schema::{
    Code, Millis,
    frame::{Goodbye, ServerFrame},
};
use tokio::time::timeout;

use crate::{
    metrics::Metrics,
    socket::{Gone, Socket, Violation},
};

/// For how long a client may take to read the last frame and to close its end.
const LINGER: Duration = Duration::from_secs(2);

/// When a client is to come back whose message found no room.
const CROWDED_WAIT: Millis = Millis(5_000);

/// Why a socket ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The gateway ends it and says why: code, words, and when to try again.
    Goodbye(Code, String, Option<Millis>),
    /// The client broke RFC 6455, or takes too long over a message.
    Violation(Violation),
    /// The client closed, perhaps with a code.
    Closed(Option<u16>),
    /// Nobody is there to be told, or nothing is to be said.
    Lost,
}

impl From<Gone> for Ending {
    fn from(gone: Gone) -> Ending {
        match gone {
            Gone::Lost => Ending::Lost,
            // A long message is as much Dunlin's limit as the WebSocket's: the client is told it in a frame, too.
            Gone::Violation(violation @ Violation::TooLarge) => goodbye(Code::TooLarge, violation.reason()),
            Gone::Violation(violation @ Violation::Crowded) => {
                goodbye_until(Code::Unavailable, violation.reason(), CROWDED_WAIT)
            }
            Gone::Violation(violation) => Ending::Violation(violation),
        }
    }
}

/// A goodbye after which trying again can't help, or needs no waiting.
pub(crate) fn goodbye(code: Code, message: impl Into<String>) -> Ending {
    Ending::Goodbye(code, message.into(), None)
}

/// A goodbye that says when to try again.
pub(crate) fn goodbye_until(code: Code, message: impl Into<String>, retry_after: Millis) -> Ending {
    Ending::Goodbye(code, message.into(), Some(retry_after))
}

/// The goodbye of a socket whose session, or what is done for it, panicked.
pub(crate) fn broken() -> Ending {
    goodbye_until(Code::Unavailable, "something went wrong in this gateway: connect again", Millis(1_000))
}

/// Ends the socket. Takes as long as the client does, at most two seconds.
pub(crate) async fn end(mut socket: Box<Socket>, ending: Ending, metrics: &Metrics) {
    let (frame, close, reason) = match ending {
        Ending::Lost => return,
        Ending::Goodbye(code, message, retry_after) => {
            metrics.goodbye(code);
            let goodbye = Goodbye { code: code.into(), message: message.clone(), retry_after };
            (Some(ServerFrame::Goodbye(goodbye)), code.close(), message)
        }
        Ending::Violation(violation) => {
            metrics.violation(violation.close());
            (None, Some(violation.close()), violation.reason().to_owned())
        }
        Ending::Closed(code) => (None, code, String::new()),
    };
    let mut said = false;
    let last_words = async {
        let write = poll_fn(|cx| {
            socket.poll_write(cx, &mut |out| {
                if !std::mem::replace(&mut said, true) {
                    frame.iter().for_each(|frame| out.message(frame));
                    out.close(close, &reason);
                }
            })
        });
        write.await?;
        poll_fn(|cx| socket.poll_shutdown(cx)).await?;
        // Closing with bytes unread would reset the connection, and take the last frame from the client.
        poll_fn(|cx| socket.poll_discard(cx)).await;
        std::io::Result::Ok(())
    };
    // Whoever does not read in time, or is gone, is left.
    let _ = timeout(LINGER, last_words).await;
}
