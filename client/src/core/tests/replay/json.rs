//! What the core is told and what it says, as it stands in scripts.

use std::collections::BTreeMap;

use dunlin_schema::{
    Address, Content, CursorText, DeviceName, LogName, Millis, Open, Seq,
    frame::{Encoding, Goodbye, Question, ServerFrame, StartAt},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    core::{Accepted, Acknowledged, Input, Notification, Output, Progress, Receipt, RequestId, Setup, watching},
    error::{AskError, Ended, Lost, SendError, TokenError},
    token::Refusal,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct SetupSaid {
    gateways: usize,
    device: Option<DeviceName>,
    cursors: BTreeMap<Open<LogName>, CursorText>,
    start: Option<StartAt>,
    backoff_first: Millis,
    backoff_most: Millis,
    connect_within: Millis,
    in_flight_per_address: usize,
}

/// One gateway and no jitter: what is not about either needs no ranges.
impl Default for SetupSaid {
    fn default() -> SetupSaid {
        SetupSaid {
            gateways: 1,
            device: Some(DeviceName::new("phone").unwrap()),
            cursors: BTreeMap::new(),
            start: None,
            backoff_first: Millis(0),
            backoff_most: Millis(30_000),
            connect_within: Millis(10_000),
            in_flight_per_address: 1,
        }
    }
}

pub(super) fn setup(said: Map<String, Value>) -> Result<Setup, String> {
    let said: SetupSaid = of_json(Value::Object(said))?;
    Ok(Setup {
        gateways: said.gateways,
        device: said.device,
        kept: said.cursors,
        start: said.start,
        backoff_first: said.backoff_first,
        backoff_most: said.backoff_most,
        connect_within: said.connect_within,
        in_flight_per_address: said.in_flight_per_address,
        seed: [7; 32],
    })
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
enum Said {
    Submit { request: u64, to: Address, content: Content },
    Ask { request: u64, what: Question, until: Millis },
    Signal { to: Address, signal: String },
    Read { with: Address, upto: Seq },
    Opened { token: String, date: Option<Millis> },
    Frame { frame: Value },
    Heard,
    Lost { why: Why },
    Room { room: bool },
    Done { done: BTreeMap<Open<LogName>, DoneSaid> },
    Close,
    Tick,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoneSaid {
    gaps: u64,
    seq: Seq,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Why {
    Goodbye { goodbye: Goodbye },
    Http { status: u16, retry_after: Option<Millis>, refusal: Option<Goodbye> },
    Closed { code: Option<u16>, reason: String },
    Socket,
    Silent,
    Token { failed: Option<String>, no_more: Option<bool> },
    Slept,
    BadFrame,
    FellBehind,
}

pub(super) fn input(said: Value) -> Result<Input, String> {
    Ok(match of_json(said)? {
        Said::Submit { request, to, content } => Input::Submit { request: RequestId(request), to, content },
        Said::Ask { request, what, until } => Input::Ask { request: RequestId(request), what, until },
        Said::Signal { to, signal } => Input::Signal { to, kind: signal.parse().map_err(|e| format!("{e}"))? },
        Said::Read { with, upto } => Input::Read { with, upto },
        Said::Opened { token, date } => Input::Opened { token, date },
        Said::Frame { frame } => {
            let frame = Encoding::Json.read_server(frame.to_string().as_bytes());
            Input::Frame(Box::new(frame.map_err(|e| format!("no frame of a gateway: {e}"))?))
        }
        Said::Heard => Input::Heard,
        Said::Lost { why } => Input::Lost(match why {
            Why::Goodbye { goodbye } => Lost::Goodbye(goodbye),
            Why::Http { status, retry_after, refusal } => Lost::Http { status, retry_after, refusal },
            Why::Closed { code, reason } => Lost::Closed { code, reason },
            Why::Socket => Lost::Socket(String::new()),
            Why::Silent => Lost::Silent,
            Why::Token { failed: Some(why), no_more: None } => Lost::Token(TokenError::Failed(why)),
            Why::Token { failed: None, no_more: Some(true) } => Lost::Token(TokenError::NoMore),
            Why::Token { .. } => return Err("a token failed, or there are no more".to_owned()),
            Why::Slept => Lost::Slept,
            Why::BadFrame => Lost::BadFrame(String::new()),
            Why::FellBehind => Lost::FellBehind,
        }),
        Said::Room { room } => Input::Room(room),
        Said::Done { done } => {
            let done = done.into_iter().map(|(log, DoneSaid { gaps, seq })| (log, Acknowledged { gaps, seq }));
            Input::Done(done.collect())
        }
        Said::Close => Input::Close,
        Said::Tick => Input::Tick,
    })
}

fn of_json<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| format!("{value}: {error}"))
}

pub(super) fn output(output: Output) -> Value {
    match output {
        Output::Dial { gateway, refused, server_time } => {
            let refused = refused.map(|Refusal { code, was_open }| json!({ "code": code, "wasOpen": was_open }));
            json!({ "kind": "dial", "gateway": gateway, "refused": refused, "serverTime": server_time })
        }
        Output::Write(frame) => json!({ "kind": "write", "frame": frame }),
        Output::HangUp => json!({ "kind": "hangUp" }),
        Output::Notify(notification) => {
            let mut said = notified(notification);
            said["kind"] = json!("notify");
            said
        }
        Output::Skip(place) => json!({ "kind": "skip", "place": placed(place) }),
        Output::Named(RequestId(request), id) => json!({ "kind": "named", "request": request, "id": id }),
        Output::Settle(RequestId(request), Ok(Accepted { id, order, time })) => {
            let accepted = json!({ "id": id, "order": order, "time": time });
            json!({ "kind": "settle", "request": request, "accepted": accepted })
        }
        Output::Settle(RequestId(request), Err(error)) => {
            json!({ "kind": "settle", "request": request, "error": send_error(error) })
        }
        Output::Answered(request, answer) => {
            // The core's own question is nobody's request.
            let request = (request != watching::OWN).then_some(request.0);
            match answer {
                Ok(answer) => json!({ "kind": "answered", "request": request, "answer": answer }),
                Err(error) => json!({ "kind": "answered", "request": request, "error": ask_error(error) }),
            }
        }
    }
}

fn notified(notification: Notification) -> Value {
    match notification {
        Notification::Connected { gateway, user, device, region } => {
            json!({ "what": "connected", "gateway": gateway, "user": user, "device": device, "region": region })
        }
        Notification::Entry(entry, place) => json!({ "what": "entry", "entry": *entry, "place": placed(place) }),
        Notification::Gap { log, from, to, place } => {
            json!({ "what": "gap", "log": log, "from": from, "to": to, "place": placed(place) })
        }
        Notification::CaughtUp { log, seq, place } => {
            json!({ "what": "caughtUp", "log": log, "seq": seq, "place": placed(place) })
        }
        Notification::Refused { code, message } => json!({ "what": "refused", "code": code, "message": message }),
        Notification::Signal { from, kind, group: None } => json!({ "what": "signal", "from": from, "signal": kind }),
        Notification::Signal { from, kind, group: Some(group) } => {
            json!({ "what": "signal", "from": from, "signal": kind, "group": group })
        }
        Notification::Presence { user, presence } => {
            json!({ "what": "presence", "user": user, "state": presence.state, "lastSeen": presence.last_seen })
        }
        Notification::Receipt(Receipt { by, to, order, delivered, read, of, time, since, missing }) => {
            let receipt = ServerFrame::Receipt { by, to, order, delivered, read, of, time, since, missing };
            json!({ "what": "receipt", "receipt": json!(receipt)["receipt"] })
        }
        Notification::Marked { with, read } => json!({ "what": "marked", "with": with, "read": read }),
        Notification::Disconnected { why, retry_in } => {
            json!({ "what": "disconnected", "why": lost(why), "retryIn": retry_in })
        }
        Notification::Ended(why) => json!({ "what": "ended", "why": ended(why) }),
    }
}

fn placed(Progress { log, ordinal, gaps, seq, cursor }: Progress) -> Value {
    json!({ "log": log, "ordinal": ordinal, "gaps": gaps, "seq": seq, "cursor": cursor })
}

fn lost(why: Lost) -> Value {
    match why {
        Lost::Goodbye(goodbye) => json!({ "kind": "goodbye", "goodbye": goodbye }),
        Lost::Http { status, retry_after, refusal } => {
            json!({ "kind": "http", "status": status, "retryAfter": retry_after, "refusal": refusal })
        }
        Lost::Closed { code, reason } => json!({ "kind": "closed", "code": code, "reason": reason }),
        Lost::Socket(_) => json!({ "kind": "socket" }),
        Lost::Silent => json!({ "kind": "silent" }),
        Lost::Token(TokenError::Failed(why)) => json!({ "kind": "token", "failed": why }),
        Lost::Token(TokenError::NoMore) => json!({ "kind": "token", "noMore": true }),
        Lost::Slept => json!({ "kind": "slept" }),
        Lost::BadFrame(_) => json!({ "kind": "badFrame" }),
        Lost::FellBehind => json!({ "kind": "fellBehind" }),
    }
}

fn ended(why: Ended) -> Value {
    match why {
        Ended::Goodbye(goodbye) => json!({ "kind": "goodbye", "goodbye": goodbye }),
        Ended::NoToken => json!({ "kind": "noToken" }),
        Ended::Closed => json!({ "kind": "closed" }),
    }
}

fn send_error(error: SendError) -> Value {
    match error {
        SendError::Rejected { code, message } => json!({ "kind": "rejected", "code": code, "message": message }),
        SendError::Ended(why) => json!({ "kind": "ended", "why": ended(why) }),
        SendError::Address(_) | SendError::Content(_) | SendError::TooLarge(_) | SendError::Full => {
            panic!("a core says no {error:?}")
        }
    }
}

fn ask_error(error: AskError) -> Value {
    match error {
        AskError::Refused { code, message, retry_after } => {
            json!({ "kind": "refused", "code": code, "message": message, "retryAfter": retry_after })
        }
        AskError::Disconnected => json!({ "kind": "disconnected" }),
        AskError::TimedOut => json!({ "kind": "timedOut" }),
        AskError::Newer(name) => json!({ "kind": "newer", "name": name }),
        AskError::Ended(why) => json!({ "kind": "ended", "why": ended(why) }),
        AskError::Address(_) | AskError::Unexpected(_) => panic!("a core says no {error:?}"),
    }
}
