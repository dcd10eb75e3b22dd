//! Where a conversation is shown, and where what is said in it comes from.

use dunlin_client::{Conversation, conversation::Change};

use super::{UNSENT, lines::Lines, members::Members, now, screen::Screen};

/// What somebody does at the keyboard.
pub(super) enum Input {
    /// A line is complete.
    Line(String),
    /// A message is being typed.
    Typed,
    /// What was typed is gone again.
    Cleared,
    /// Only what is seen has changed.
    Redraw,
    /// Nothing more is typed: what was is still sent.
    End,
    /// The end, now.
    Quit,
}

/// What there is to show.
pub(super) enum News<'a> {
    Changes(&'a [Change]),
    /// Who types, and who did before.
    Typing {
        before: &'a [String],
        now: &'a [String],
    },
    Notice(&'a str),
    /// What becomes of the group.
    Members(&'a str),
    /// What is wrong with the connection, if anything.
    Link(Option<&'a str>),
    /// Nothing more is taken: what was is still sent.
    Closing,
    /// A line that was not taken.
    Untaken(&'a str),
}

/// Where it is shown.
pub(super) enum Face {
    Screen(Box<Screen>),
    Lines(Lines),
}

impl Face {
    pub(super) async fn input(&mut self) -> Input {
        match self {
            Face::Screen(screen) => screen.input().await,
            Face::Lines(lines) => lines.input().await,
        }
    }

    pub(super) fn show(&mut self, conversation: &Conversation, news: &News<'_>) -> anyhow::Result<()> {
        match self {
            Face::Screen(screen) => screen.show(news),
            Face::Lines(lines) => lines.show(conversation, news)?,
        }
        Ok(())
    }

    /// Whether input is taken now: keys always, since one of them ends the chat; lines wait for room.
    pub(super) fn listens(&self, is_closing: bool, sends: usize) -> bool {
        match self {
            Face::Screen(_) => true,
            Face::Lines(_) => !is_closing && sends < UNSENT,
        }
    }

    /// Whether the last message is shown.
    pub(super) fn is_at_the_end(&self) -> bool {
        match self {
            Face::Screen(screen) => screen.is_at_the_end(),
            Face::Lines(_) => true,
        }
    }

    pub(super) fn draw(&mut self, conversation: &Conversation, members: &Members) -> anyhow::Result<()> {
        match self {
            Face::Screen(screen) => screen.draw(now(), conversation, members),
            Face::Lines(_) => Ok(()),
        }
    }
}
