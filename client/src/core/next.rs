//! What becomes of a client whose connection is lost.

use dunlin_schema::{Code, Millis, Retry, frame::Goodbye};

use crate::error::{Ended, Lost, TokenError};

/// What to do when a connection is lost.
pub(super) enum Next {
    /// `refused` is what was said of a token that is over.
    Again {
        after: Millis,
        refused: Option<Goodbye>,
    },
    AtOnce,
    End(Ended),
}

/// What to do once a connection is lost in this way.
pub(super) fn next(why: &Lost) -> Next {
    let now = Next::Again { after: Millis(0), refused: None };
    match why {
        Lost::Goodbye(goodbye) | Lost::Http { refusal: Some(goodbye), .. } => of_goodbye(goodbye),
        Lost::Closed { code: Some(close), reason } => of_close(*close, reason),
        // A proxy's word: what stands before a gateway changes, and is mended without this client.
        Lost::Http { refusal: None, retry_after, .. } => {
            Next::Again { after: retry_after.unwrap_or_default(), refused: None }
        }
        Lost::Token(TokenError::NoMore) => Next::End(Ended::NoToken),
        Lost::FellBehind | Lost::Slept => Next::AtOnce,
        Lost::Closed { code: None, .. }
        | Lost::Socket(_)
        | Lost::Silent
        | Lost::Token(TokenError::Failed(_))
        | Lost::BadFrame(_) => now,
    }
}

fn of_goodbye(goodbye: &Goodbye) -> Next {
    match goodbye.code.retry(goodbye.retry_after) {
        Retry::Never | Retry::Elsewhere => Next::End(Ended::Goodbye(goodbye.clone())),
        Retry::NewToken => Next::Again { after: Millis(0), refused: Some(goodbye.clone()) },
        Retry::Later => Next::Again { after: goodbye.retry_after.unwrap_or_default(), refused: None },
    }
}

/// Close codes from here on are an application's (RFC 6455, section 7.4.2): no proxy says them.
const FIRST_OF_APPLICATIONS: u16 = 4_000;

/// A close whose goodbye was lost: what all codes that end a socket this way have in common. A code that a proxy may say as well ends
/// nothing.
fn of_close(close: u16, reason: &str) -> Next {
    let ours = |code: &Code| close >= FIRST_OF_APPLICATIONS && code.close() == Some(close);
    let codes: Vec<Code> = Code::ALL.iter().copied().filter(ours).collect();
    let never = |code: &Code| matches!(code.retry(), Retry::Never | Retry::Elsewhere);
    let goodbye = |code: Code| Goodbye { code: code.into(), message: reason.to_owned(), retry_after: None };
    match codes.first() {
        Some(&code) if codes.iter().all(never) => Next::End(Ended::Goodbye(goodbye(code))),
        _ => {
            let of_token = codes.iter().copied().find(|code| code.retry() == Retry::NewToken);
            Next::Again { after: Millis(0), refused: of_token.map(goodbye) }
        }
    }
}
