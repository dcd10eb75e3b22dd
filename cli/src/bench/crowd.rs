//! People with one socket each, at a relay or at Dunlin: who is live, and what they say and hear.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    ops::Range,
    time::{Duration, Instant},
};

use memchr::memmem;

use super::{
    item::Ids,
    sockets::{Happened, Sockets},
    wire,
};

/// Whom the sockets speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Floor A: the name in the path, `{"to":…,"text":…}`.
    Relay,
    /// A Dunlin gateway, protocol version 1 in JSON.
    Dunlin,
    /// The floor of a group: each message is as it comes, and as many bytes long as an entry of Dunlin's.
    Loop {
        /// So many.
        bytes: usize,
    },
}

impl Dialect {
    /// The frame that sends `text`, which begins with its id.
    fn message(self, to: &str, text: &str) -> String {
        let id = &text[..26];
        match self {
            Dialect::Relay => format!(r#"{{"to":"{to}","text":"{text}"}}"#),
            Dialect::Loop { bytes } => format!("{text:.<bytes$}"),
            Dialect::Dunlin => format!(
                r#"{{"send":{{"id":"{id}","to":"{to}","content":{{"message":{{"text":"{text}","data":null,"attachments":[],"reply_to":null}}}}}}}}"#
            ),
        }
    }
}

/// One person.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) token: String,
    pub(super) live: bool,
    /// Groups whose logs the person follows beside the mailbox: live is who has caught up with all of these.
    pub(super) groups: usize,
    logs: BTreeMap<Box<str>, Followed>,
    /// Logs that the person has not caught up with yet.
    behind: usize,
}

/// A log, as somebody follows it.
#[derive(Default)]
struct Followed {
    /// The cursor of the last `caught_up`, told in the next `hello`.
    cursor: Option<String>,
    /// The sequence of the last entry, to see that they rise.
    seq: u64,
    /// Entries that were not acknowledged.
    unacknowledged: u32,
}

/// What a crowd tells its driver.
#[derive(Debug)]
pub(super) enum News {
    /// The person is live: upgraded at a relay, caught up at Dunlin.
    Live,
    /// An item of the run arrived.
    Entry(u32),
    /// An item of the run was accepted, with its order.
    Accepted(u32, u64),
    /// What the person sent to somebody was delivered, up to an order.
    Delivered { by: u32, upto: u64 },
    /// What the person sent to a group was delivered to so many of its members.
    Counted(u64),
    /// Something that makes a figure invalid: a refusal, a gap, an entry out of order, an unknown frame.
    Fault(String),
    /// The socket is gone, and why.
    Ended(String),
}

/// People and their sockets.
pub(super) struct Crowd {
    pub(super) people: Vec<Person>,
    pub(super) ids: Ids,
    sockets: Sockets,
    dialect: Dialect,
    address: SocketAddr,
    /// Everybody acknowledges each so-manieth entry; nobody does where it is 0.
    pub(super) acknowledge_each: u32,
    /// How long the last entry was.
    pub(super) entry_bytes: usize,
}

impl Crowd {
    /// A crowd without sockets. `names` with their tokens; tokens may be empty at a relay.
    pub(super) fn new(dialect: Dialect, address: SocketAddr, names: Vec<(String, String)>) -> io::Result<Crowd> {
        let sockets = Sockets::new(names.len())?;
        let person = |(name, token)| Person { name, token, live: false, groups: 0, logs: BTreeMap::new(), behind: 0 };
        let (people, ids) = (names.into_iter().map(person).collect(), Ids::new());
        Ok(Crowd { people, ids, sockets, dialect, address, acknowledge_each: 0, entry_bytes: 0 })
    }

    /// Goes on at another address: a server that was started again.
    pub(super) fn move_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// From now on everybody who connects is given only what is stored from then on.
    pub(super) fn skip_history(&mut self) {
        for person in &mut self.people {
            person.logs.entry("mailbox".into()).or_default().cursor = Some("live".into());
        }
    }

    /// Begins to connect a person.
    pub(super) fn connect(&mut self, person: usize) -> io::Result<()> {
        let host = self.address.to_string();
        let upgrade = match self.dialect {
            Dialect::Relay => wire::upgrade(&host, &format!("/{}", self.people[person].name), None),
            Dialect::Loop { .. } => wire::upgrade(&host, "/", None),
            Dialect::Dunlin => wire::upgrade(&host, "/v1/connect", Some("dunlin.v1.json")),
        };
        let Person { live, behind, groups, logs, .. } = &mut self.people[person];
        (*live, *behind) = (false, 1 + *groups);
        // What follows a cursor may have come before.
        logs.values_mut().for_each(|log| log.seq = 0);
        self.sockets.connect(person, self.address, upgrade.into_bytes())
    }

    /// Closes the sockets of all these people.
    pub(super) fn leave(&mut self, people: Range<usize>) {
        for person in people {
            self.sockets.close(person);
            self.people[person].live = false;
        }
    }

    /// Everybody.
    pub(super) fn everybody(&self) -> Range<usize> {
        0..self.people.len()
    }

    /// Sends an item from one person to another.
    pub(super) fn send(&mut self, item: u32, from: usize, to: usize) {
        let frame = self.dialect.message(&self.people[to].name, &self.ids.text(item));
        self.sockets.send(from, frame.as_bytes());
    }

    /// Sends an item to a name that need not be one of the crowd.
    pub(super) fn send_to(&mut self, item: u32, from: usize, to: &str) {
        let frame = self.dialect.message(to, &self.ids.text(item));
        self.sockets.send(from, frame.as_bytes());
    }

    /// Waits until `until`, or until something happened, and tells it.
    pub(super) fn turn(&mut self, until: Instant, mut tell: impl FnMut(usize, Instant, News)) -> io::Result<()> {
        let Crowd { people, ids, sockets, dialect, acknowledge_each, entry_bytes, .. } = self;
        sockets.turn(until, |place, now, happened, answer| {
            let person = &mut people[place];
            let news = match (happened, *dialect) {
                (Happened::Open, Dialect::Relay | Dialect::Loop { .. }) => Some(News::Live),
                (Happened::Open, Dialect::Dunlin) => {
                    answer.extend_from_slice(person.hello().as_bytes());
                    None
                }
                (Happened::Text(text), Dialect::Relay) => Some(item(ids, text, after(text, b"\"text\":\""))),
                (Happened::Text(text), Dialect::Loop { .. }) => Some(item(ids, text, Some(text))),
                (Happened::Text(text), Dialect::Dunlin) => {
                    let news = person.frame(ids, text, *acknowledge_each, answer);
                    if let Some(News::Entry(_)) = news {
                        *entry_bytes = text.len();
                    }
                    news
                }
                (Happened::Ended(why), _) => Some(News::Ended(why)),
            };
            if let Some(news) = news {
                match news {
                    News::Live => person.live = true,
                    News::Ended(_) => person.live = false,
                    News::Entry(_)
                    | News::Accepted(..)
                    | News::Delivered { .. }
                    | News::Counted(_)
                    | News::Fault(_) => {}
                }
                tell(place, now, news);
            }
        })
    }

    /// Tells what happens for a while and hands out nothing: pings are answered. Returns how many sockets ended or heard a fault.
    pub(super) fn idle(&mut self, time: Duration) -> io::Result<Vec<String>> {
        let (until, mut faults) = (Instant::now() + time, Vec::new());
        while Instant::now() < until {
            self.turn(until, |_, _, news| match news {
                News::Fault(why) | News::Ended(why) => faults.push(why),
                News::Live | News::Entry(_) | News::Accepted(..) | News::Delivered { .. } | News::Counted(_) => {}
            })?;
        }
        Ok(faults)
    }
}

impl Person {
    fn hello(&self) -> String {
        let cursor = |log: &str, cursor: &String| format!(r#""{log}":"{cursor}""#);
        let cursors = self.logs.iter().filter_map(|(log, followed)| Some(cursor(log, followed.cursor.as_ref()?)));
        let cursors: Vec<String> = cursors.collect();
        let cursors = cursors.join(",");
        format!(r#"{{"hello":{{"token":"{}","device":"bench","cursors":{{{cursors}}}}}}}"#, self.token)
    }

    fn log(&mut self, name: &str) -> &mut Followed {
        if !self.logs.contains_key(name) {
            self.logs.insert(name.into(), Followed::default());
        }
        self.logs.get_mut(name).expect("it is there")
    }

    /// Reads a gateway's frame by its first key and the few fields that matter: a whole parse would cost the generator its core. Every so
    /// many entries of a log are acknowledged.
    fn frame(&mut self, ids: &Ids, text: &[u8], acknowledge_each: u32, answer: &mut Vec<u8>) -> Option<News> {
        let fault = |what: &str| Some(News::Fault(format!("{what}: {}", String::from_utf8_lossy(text))));
        let item = || after(text, b"\"id\":\"").and_then(|id| ids.item(id));
        let seq = || after(text, b"\"seq\":").map(number);
        if text.starts_with(b"{\"entry\"") {
            let (Some(name), Some(seq)) = (quoted(text, b"\"log\":\""), seq()) else {
                return fault("an unknown entry");
            };
            let log = self.log(name);
            if seq <= log.seq {
                return fault("an entry out of order");
            }
            log.seq = seq;
            log.unacknowledged += 1;
            if acknowledge_each > 0 && log.unacknowledged >= acknowledge_each {
                log.unacknowledged = 0;
                answer.extend_from_slice(format!(r#"{{"ack":{{"log":"{name}","delivered":{seq}}}}}"#).as_bytes());
            }
            match item() {
                Some(item) => Some(News::Entry(item)),
                // What becomes of a group stands in its log, too.
                None if after(text, b"\"content\":{\"message\"").is_none() && name.starts_with('#') => None,
                None => fault("an unknown entry"),
            }
        } else if text.starts_with(b"{\"accepted\"") {
            let (Some(item), Some(order)) = (item(), after(text, b"\"order\":").map(number)) else {
                return fault("an unknown item");
            };
            Some(News::Accepted(item, order))
        } else if text.starts_with(b"{\"receipt\"") {
            let Some(upto) = after(text, b"\"delivered\":").map(number) else { return fault("no receipt") };
            // Of a group it says how many.
            let Some(by) = after(text, b"\"by\":\"") else { return Some(News::Counted(upto)) };
            // A name is letters, then the person's number.
            let by = by.iter().position(u8::is_ascii_digit).map_or(by, |at| &by[at..]);
            Some(News::Delivered { by: number(by) as u32, upto })
        } else if text.starts_with(b"{\"caught_up\"") {
            let (Some(log), Some(cursor)) = (quoted(text, b"\"log\":\""), quoted(text, b"\"cursor\":\"")) else {
                return fault("no cursor");
            };
            self.log(log).cursor = Some(cursor.to_owned());
            self.behind = self.behind.saturating_sub(1);
            (self.behind == 0 && !self.live).then_some(News::Live)
        } else if text.starts_with(b"{\"welcome\"") {
            None
        } else {
            fault("refused")
        }
    }
}

/// The message of a floor, whose id begins there.
fn item(ids: &Ids, text: &[u8], id: Option<&[u8]>) -> News {
    match id.and_then(|id| ids.item(id)) {
        Some(item) => News::Entry(item),
        None => News::Fault(format!("an unknown message: {}", String::from_utf8_lossy(text))),
    }
}

fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    memmem::find(text, key).map(|at| &text[at + key.len()..])
}

/// What stands behind a key, up to the next quotation mark.
fn quoted<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let value = after(text, key)?;
    let end = memchr::memchr(b'"', value)?;
    std::str::from_utf8(&value[..end]).ok()
}

fn number(text: &[u8]) -> u64 {
    text.iter()
        .take_while(|letter| letter.is_ascii_digit())
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}
