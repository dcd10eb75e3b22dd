//! A conversation without a terminal: a line in is what somebody types, a line out is one JSON object.

use std::io::{BufRead, BufReader};

use dunlin_client::{
    Connected, Conversation,
    conversation::{Change, Message, State},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Input, News};
use crate::{plain, print};

/// Lines that may wait to be taken; whoever writes more waits.
const WAITING: usize = 16;

/// Stdin, and who it is connected as.
pub(super) struct Lines {
    typed: mpsc::Receiver<String>,
}

impl Lines {
    /// Begins to read stdin, and says who is connected.
    pub(super) fn new(connected: &Connected, conversation: &Conversation) -> anyhow::Result<Lines> {
        let (give, typed) = mpsc::channel(WAITING);
        // A read of stdin can't be taken back: this thread ends with the process.
        std::thread::spawn(move || {
            let mut stdin = BufReader::new(std::io::stdin());
            let mut line = Vec::new();
            while stdin.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']).to_owned();
                if give.blocking_send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let Connected { url, device, .. } = connected;
        let (me, peer) = (conversation.me(), conversation.peer());
        out(&json!({ "chat": { "as": me, "with": peer, "device": device, "url": url } }))?;
        Ok(Lines { typed })
    }

    /// The next line.
    pub(super) async fn input(&mut self) -> Input {
        self.typed.recv().await.map_or(Input::End, Input::Line)
    }

    pub(super) fn show(&mut self, conversation: &Conversation, news: &News<'_>) -> anyhow::Result<()> {
        match news {
            News::Changes(changes) => {
                changes.iter().filter_map(|change| line(conversation, *change)).try_for_each(|line| out(&line))
            }
            News::Typing { before, now } => {
                let others = |of: &[String], than: &[String]| {
                    of.iter().filter(|who| !than.contains(who)).cloned().collect::<Vec<_>>()
                };
                others(before, now).iter().try_for_each(|who| out(&typing(who, false)))?;
                others(now, before).iter().try_for_each(|who| out(&typing(who, true)))
            }
            News::Members(words) => out(&json!({ "members": words })),
            News::Notice(words) => out(&json!({ "notice": words })),
            News::Link(trouble) => out(&json!({ "connection": { "lost": trouble } })),
            // Whoever wrote the line, and the end, knows.
            News::Closing | News::Untaken(_) => Ok(()),
        }
    }
}

fn out(value: &Value) -> anyhow::Result<()> {
    print(&plain::json(value))
}

fn line(conversation: &Conversation, change: Change) -> Option<Value> {
    match change {
        Change::Message(key) => conversation.message(key).map(|message| of_message(&message)),
        Change::Gap(gap) => Some(json!({ "gap": { "from": gap.from, "to": gap.to } })),
        Change::Presence => {
            let presence = conversation.presence();
            let (state, last_seen) = (presence.map(|now| &now.state), presence.and_then(|now| now.last_seen));
            Some(json!({ "presence": { "user": conversation.peer(), "state": state, "last_seen": last_seen } }))
        }
        // What is shown is read, and typing is told with the time in which it ends.
        Change::Typing | Change::Unread => None,
    }
}

fn typing(who: &str, on: bool) -> Value {
    json!({ "typing": { "from": who, "on": on } })
}

fn of_message(message: &Message<'_>) -> Value {
    let Message { id, from, time, text, data, reply_to, edited, deleted, .. } = message;
    let reactions: Vec<_> =
        message.reactions.iter().map(|given| json!({ "by": given.by, "emoji": given.emoji })).collect();
    let (state, why) = match &message.state {
        None => (None, None),
        Some(State::Sending) => (Some("sending"), None),
        Some(State::Sent) => (Some("sent"), None),
        Some(State::Delivered) => (Some("delivered"), None),
        Some(State::Read) => (Some("read"), None),
        Some(State::Failed(failure)) => {
            (Some("failed"), Some(json!({ "code": failure.code, "message": failure.message })))
        }
    };
    json!({ "message": {
        "id": id, "from": from, "time": time, "text": text, "data": data, "reply_to": reply_to,
        "edited": edited, "deleted": deleted, "reactions": reactions, "state": state, "why": why,
    }})
}
