//! People with one socket each, at a relay or at Dunlin: who is live, and what they say and hear.

use std::{
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
}

impl Dialect {
    /// The frame that sends `text`, which begins with its id.
    fn message(self, to: &str, text: &str) -> String {
        let id = &text[..26];
        match self {
            Dialect::Relay => format!(r#"{{"to":"{to}","text":"{text}"}}"#),
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
    /// The cursor of the last `caught_up`, told in the next `hello`.
    pub(super) cursor: Option<String>,
    pub(super) live: bool,
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
}

impl Crowd {
    /// A crowd without sockets. `names` with their tokens; tokens may be empty at a relay.
    pub(super) fn new(dialect: Dialect, address: SocketAddr, names: Vec<(String, String)>) -> io::Result<Crowd> {
        let sockets = Sockets::new(names.len())?;
        let person = |(name, token)| Person { name, token, cursor: None, live: false, seq: 0, unacknowledged: 0 };
        let (people, ids) = (names.into_iter().map(person).collect(), Ids::new());
        Ok(Crowd { people, ids, sockets, dialect, address, acknowledge_each: 0 })
    }

    /// Goes on at another address: a server that was started again.
    pub(super) fn move_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// From now on everybody who connects is given only what is stored from then on.
    pub(super) fn skip_history(&mut self) {
        for person in &mut self.people {
            person.cursor = Some("live".into());
        }
    }

    /// Begins to connect a person.
    pub(super) fn connect(&mut self, person: usize) -> io::Result<()> {
        let host = self.address.to_string();
        let upgrade = match self.dialect {
            Dialect::Relay => wire::upgrade(&host, &format!("/{}", self.people[person].name), None),
            Dialect::Dunlin => wire::upgrade(&host, "/v1/connect", Some("dunlin.v1.json")),
        };
        self.people[person].live = false;
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
        let Crowd { people, ids, sockets, dialect, acknowledge_each, .. } = self;
        sockets.turn(until, |place, now, happened, answer| {
            let person = &mut people[place];
            let news = match (happened, *dialect) {
                (Happened::Open, Dialect::Relay) => Some(News::Live),
                (Happened::Open, Dialect::Dunlin) => {
                    answer.extend_from_slice(person.hello().as_bytes());
                    None
                }
                (Happened::Text(text), Dialect::Relay) => match after(text, b"\"text\":\"").and_then(|id| ids.item(id))
                {
                    Some(item) => Some(News::Entry(item)),
                    None => Some(News::Fault(format!("an unknown message: {}", String::from_utf8_lossy(text)))),
                },
                (Happened::Text(text), Dialect::Dunlin) => {
                    let news = person.frame(ids, text);
                    if let Some(News::Entry(_)) = news {
                        person.acknowledge(*acknowledge_each, answer);
                    }
                    news
                }
                (Happened::Ended(why), _) => Some(News::Ended(why)),
            };
            if let Some(news) = news {
                match news {
                    News::Live => person.live = true,
                    News::Ended(_) => person.live = false,
                    News::Entry(_) | News::Accepted(..) | News::Delivered { .. } | News::Fault(_) => {}
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
                News::Live | News::Entry(_) | News::Accepted(..) | News::Delivered { .. } => {}
            })?;
        }
        Ok(faults)
    }
}

impl Person {
    fn hello(&self) -> String {
        let cursors = self.cursor.as_ref().map(|cursor| format!(r#""mailbox":"{cursor}""#)).unwrap_or_default();
        format!(r#"{{"hello":{{"token":"{}","device":"bench","cursors":{{{cursors}}}}}}}"#, self.token)
    }

    /// Acknowledges every so-manieth entry.
    fn acknowledge(&mut self, each: u32, answer: &mut Vec<u8>) {
        self.unacknowledged += 1;
        if each > 0 && self.unacknowledged >= each {
            self.unacknowledged = 0;
            answer.extend_from_slice(format!(r#"{{"ack":{{"log":"mailbox","delivered":{}}}}}"#, self.seq).as_bytes());
        }
    }

    /// Reads a gateway's frame by its first key and the few fields that matter: a whole parse would cost the generator its core.
    fn frame(&mut self, ids: &Ids, text: &[u8]) -> Option<News> {
        let fault = |what: &str| Some(News::Fault(format!("{what}: {}", String::from_utf8_lossy(text))));
        let item = || after(text, b"\"id\":\"").and_then(|id| ids.item(id));
        let seq = || after(text, b"\"seq\":").map(number);
        if text.starts_with(b"{\"entry\"") {
            let (Some(item), Some(seq)) = (item(), seq()) else { return fault("an unknown entry") };
            if seq <= self.seq {
                return fault("an entry out of order");
            }
            self.seq = seq;
            Some(News::Entry(item))
        } else if text.starts_with(b"{\"accepted\"") {
            let (Some(item), Some(order)) = (item(), after(text, b"\"order\":").map(number)) else {
                return fault("an unknown item");
            };
            Some(News::Accepted(item, order))
        } else if text.starts_with(b"{\"receipt\"") {
            let (Some(by), Some(upto)) = (after(text, b"\"by\":\""), after(text, b"\"delivered\":")) else {
                return fault("no receipt");
            };
            // A name is letters, then the person's number.
            let by = by.iter().position(u8::is_ascii_digit).map_or(by, |at| &by[at..]);
            Some(News::Delivered { by: number(by) as u32, upto: number(upto) })
        } else if text.starts_with(b"{\"caught_up\"") {
            let Some(cursor) = after(text, b"\"cursor\":\"") else { return fault("no cursor") };
            let end = memchr::memchr(b'"', cursor).unwrap_or(cursor.len());
            self.cursor = Some(String::from_utf8_lossy(&cursor[..end]).into_owned());
            (!self.live).then_some(News::Live)
        } else if text.starts_with(b"{\"welcome\"") {
            None
        } else {
            fault("refused")
        }
    }
}

fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    memmem::find(text, key).map(|at| &text[at + key.len()..])
}

fn number(text: &[u8]) -> u64 {
    text.iter()
        .take_while(|letter| letter.is_ascii_digit())
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}
