//! A conversation in a terminal: the messages as they are now, a line that says how things stand, and one to type in. It is drawn anew
//! whenever something has changed, on the terminal's other screen, so that what was there before is there again at the end.

use std::{
    io::{self, Stdout, Write},
    time::Duration,
};

use anyhow::Context;
use crossterm::{
    cursor::MoveTo,
    event::{
        DisableBracketedPaste, EnableBracketedPaste, Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
    },
    execute, queue,
    style::{Attribute, Color, Print, SetAttribute, SetForegroundColor},
    terminal::{
        self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
        LeaveAlternateScreen,
    },
};
use dunlin_client::Conversation;
use dunlin_schema::Millis;
use futures_util::StreamExt;
use time::UtcOffset;
use tokio::time::{Instant, sleep_until};
use tui_input::{InputRequest, backend::crossterm::to_input_request};
use unicode_width::UnicodeWidthChar;

use super::{
    Input, News,
    members::Members,
    view::{self, Doing, Frame, Row, Tone},
};
use crate::{logging::Hushed, plain, printed};

const PROMPT: &str = "> ";
/// How long a notice is shown where nothing more is sent: long enough to read the help.
const NOTICE_FOR: Duration = Duration::from_secs(8);
const CLOSING: &str = "sending what is left; Ctrl-C ends";

/// The terminal as it has to be while it is drawn on. Dropping it gives the terminal back, also when something panics.
struct Drawn {
    _hushed: Hushed,
}

impl Drawn {
    fn new() -> anyhow::Result<Drawn> {
        terminal::enable_raw_mode().context("setting the terminal")?;
        let drawn = Drawn { _hushed: Hushed::new() };
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste).context("setting the terminal")?;
        Ok(drawn)
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

/// The terminal, and what is typed.
pub(super) struct Screen {
    keys: EventStream,
    line: tui_input::Input,
    /// Rows between the last one that is shown and the end.
    scrolled: usize,
    typing: Vec<String>,
    trouble: Option<String>,
    /// Words for whoever types, and until when.
    notice: Option<(String, Instant)>,
    /// Whether a line is taken: not before there is somebody to send it to, nor after the end.
    takes_lines: bool,
    is_closing: bool,
    offset: UtcOffset,
    _drawn: Drawn,
}

impl Screen {
    /// Takes the terminal. Errors: it can't be set.
    pub(super) fn new(offset: UtcOffset) -> anyhow::Result<Screen> {
        let drawn = Drawn::new()?;
        Ok(Screen {
            keys: EventStream::new(),
            line: tui_input::Input::default(),
            scrolled: 0,
            typing: Vec::new(),
            trouble: None,
            notice: None,
            takes_lines: false,
            is_closing: false,
            offset,
            _drawn: drawn,
        })
    }

    /// What is typed next. Cancelling loses nothing.
    pub(super) async fn input(&mut self) -> Input {
        loop {
            let is_noticed = async {
                match self.notice {
                    Some((_, until)) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                event = self.keys.next() => event,
                () = is_noticed => {
                    self.notice = None;
                    return Input::Redraw;
                }
            };
            // A terminal that can't be read is gone.
            let Some(Ok(event)) = event else { return Input::Quit };
            if let Some(input) = self.took(&event) {
                return input;
            }
        }
    }

    fn took(&mut self, event: &Event) -> Option<Input> {
        match event {
            Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => None,
            Event::Key(KeyEvent { code, modifiers, .. }) => match (*code, *modifiers) {
                (KeyCode::Char('c'), KeyModifiers::CONTROL) => Some(Input::Quit),
                (KeyCode::Char('d'), KeyModifiers::CONTROL) if self.line.value().is_empty() => Some(Input::End),
                (KeyCode::Enter, _) if !self.takes_lines => None,
                (KeyCode::Enter, _) => {
                    self.notice = None;
                    self.scrolled = 0;
                    Some(Input::Line(self.line.value_and_reset()))
                }
                (KeyCode::PageUp, _) => Some(self.scroll(self.scrolled.saturating_add(10))),
                (KeyCode::PageDown, _) => Some(self.scroll(self.scrolled.saturating_sub(10))),
                _ => {
                    let change = self.line.handle(to_input_request(event)?)?;
                    Some(match self.line.value() {
                        _ if !change.value => Input::Redraw,
                        "" => Input::Cleared,
                        line if line.starts_with('/') => Input::Redraw,
                        _ => Input::Typed,
                    })
                }
            },
            Event::Paste(text) => {
                for c in text.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }) {
                    self.line.handle(InputRequest::InsertChar(c));
                }
                Some(Input::Typed)
            }
            Event::Resize(_, _) => Some(Input::Redraw),
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
        }
    }

    fn scroll(&mut self, rows: usize) -> Input {
        self.scrolled = rows;
        Input::Redraw
    }

    /// Whether the last row is shown.
    pub(super) fn is_at_the_end(&self) -> bool {
        self.scrolled == 0
    }

    /// Takes note of what the next drawing shows.
    pub(super) fn show(&mut self, news: &News<'_>) {
        match news {
            // What is drawn has them.
            News::Changes(_) | News::Members(_) => {}
            News::Typing { now, before: _ } => self.typing = now.to_vec(),
            News::Notice(words) => self.notice = Some((plain::text(words), Instant::now() + NOTICE_FOR)),
            News::Link(trouble) => self.trouble = trouble.map(str::to_owned),
            News::Closing => self.is_closing = true,
            News::Untaken(line) => self.line = (*line).into(),
        }
    }

    /// Draws everything. Errors: the terminal's.
    pub(super) fn draw(&mut self, now: Millis, conversation: &Conversation, members: &Members) -> anyhow::Result<()> {
        self.takes_lines = !self.is_closing;
        let (width, height) = terminal::size().unwrap_or((80, 24));
        let frame = Frame { width: usize::from(width), now, offset: self.offset };
        let rows = view::rows(conversation, members, frame);
        let notices = self.notice.iter().map(|(words, _)| words.as_str()).chain(self.is_closing.then_some(CLOSING));
        let mut status: Vec<_> = notices.flat_map(|words| view::notice(words, frame)).collect();
        let doing = Doing { typing: &self.typing, title: members.title.as_deref(), trouble: self.trouble.as_deref() };
        status.push(view::status(conversation, &doing, frame));
        let room = usize::from(height).saturating_sub(1 + status.len());
        self.scrolled = self.scrolled.min(rows.len().saturating_sub(room));
        let end = rows.len() - self.scrolled;
        let shown = &rows[end.saturating_sub(room)..end];
        self.put(shown, &status, (width, height))
    }

    /// Draws what is known before there was a connection. Errors: the terminal's.
    pub(super) fn draw_waiting(&self, talk: &str) -> anyhow::Result<()> {
        let status = [view::connecting(talk, self.trouble.as_deref())];
        self.put(&[], &status, terminal::size().unwrap_or((80, 24)))
    }

    fn put(&self, shown: &[Row], status: &[Row], (width, height): (u16, u16)) -> anyhow::Result<()> {
        let mut out = io::stdout();
        printed(self.paint(&mut out, shown, status, usize::from(width), height).and_then(|()| out.flush()))
    }

    fn paint(&self, out: &mut Stdout, shown: &[Row], status: &[Row], width: usize, height: u16) -> io::Result<()> {
        queue!(out, BeginSynchronizedUpdate, Clear(ClearType::All))?;
        for (at, row) in (0..).zip(shown) {
            queue!(out, MoveTo(0, at))?;
            styled(out, row, width)?;
        }
        for (above, row) in (1..).zip(status.iter().rev()) {
            queue!(out, MoveTo(0, height.saturating_sub(1 + above)))?;
            styled(out, row, width)?;
        }
        let room = width.saturating_sub(PROMPT.len() + 1);
        let hidden = self.line.visual_scroll(room);
        let typed: String = columns(self.line.value(), hidden, room);
        let cursor = PROMPT.len() + self.line.visual_cursor().max(hidden) - hidden;
        let last = height.saturating_sub(1);
        queue!(
            out,
            MoveTo(0, last),
            Print(PROMPT),
            Print(plain::text(&typed)),
            MoveTo(u16::try_from(cursor).unwrap_or(u16::MAX), last),
            EndSynchronizedUpdate
        )
    }
}

/// The characters of a text that stand in `width` columns behind the first `hidden` ones.
fn columns(text: &str, hidden: usize, width: usize) -> String {
    let mut column = 0;
    let placed = text.chars().map(|c| {
        let at = column;
        column += c.width().unwrap_or(0);
        (at, column, c)
    });
    placed.filter(|(from, to, _)| *from >= hidden && *to <= hidden + width).map(|(_, _, c)| c).collect()
}

/// Writes a row. `NO_COLOR` leaves the words, which say the same.
fn styled(out: &mut Stdout, row: &Row, width: usize) -> io::Result<()> {
    let colour = match row.tone {
        Tone::Plain | Tone::Own | Tone::Faint => Color::Reset,
        Tone::Read => Color::Cyan,
        Tone::Bad => Color::Red,
    };
    if row.tone == Tone::Faint {
        queue!(out, SetAttribute(Attribute::Dim))?;
    }
    queue!(out, SetForegroundColor(colour), Print(columns(&row.text, 0, width)), SetAttribute(Attribute::Reset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_columns() {
        for (text, hidden, width, meant) in
            [("abcd", 0, 2, "ab"), ("abcd", 2, 9, "cd"), ("漢字x", 0, 3, "漢"), ("漢字x", 2, 3, "字x")]
        {
            assert_eq!(columns(text, hidden, width), meant, "{text} {hidden} {width}");
        }
    }
}
