//! What a server says means the same to a line and to `async-nats`.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use futures_util::{StreamExt, future::join_all};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;

/// Subscriptions; the messages are for any of them.
const SUBSCRIBED: u64 = 3;
/// The subject of what comes last on each subscription.
const LAST: &str = "last";

/// A message as both of them tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    sid: u64,
    subject: String,
    reply: Option<String>,
    status: Option<u16>,
    /// The values of each name, in order; `None` where it came without headers.
    headers: Option<BTreeMap<String, Vec<String>>>,
    payload: Vec<u8>,
}

/// A message as a server says it: its headers are the words behind the version, and names with values.
#[derive(Clone, Debug)]
struct Said {
    sid: u64,
    subject: String,
    reply: Option<String>,
    headers: Option<(String, Vec<(String, String)>)>,
    payload: Vec<u8>,
}

impl Said {
    fn bytes(&self) -> Vec<u8> {
        let Said { sid, subject, reply, headers, payload } = self;
        let reply = reply.as_ref().map(|reply| format!("{reply} ")).unwrap_or_default();
        let (verb, head) = match headers {
            Some((status, lines)) => {
                let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                ("HMSG", format!("NATS/1.0{status}\r\n{lines}\r\n"))
            }
            None => ("MSG", String::new()),
        };
        let sizes = match headers {
            Some(_) => format!("{} {}", head.len(), head.len() + payload.len()),
            None => payload.len().to_string(),
        };
        [format!("{verb} {subject} {sid} {reply}{sizes}\r\n{head}").as_bytes(), payload, b"\r\n"].concat()
    }
}

fn said() -> impl Strategy<Value = Said> {
    let subject = "[!-~&&[^.*>]]{1,8}(\\.[!-~&&[^.*>]]{1,8}){0,3}";
    let status =
        prop::option::of(("[1-9][0-9]{2}", prop_oneof![Just(""), Just(" No Responders"), Just(" Idle Heartbeat")]));
    let status = status.prop_map(|status| status.map(|(code, why)| format!(" {code}{why}")).unwrap_or_default());
    let lines = prop::collection::vec(("[A-C][a-z-]{0,3}", "([!-~ü世]([ -~]{0,20}[!-~])?)?"), 0..4);
    let headers = prop::option::of((status, lines));
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(b"\r\nMSG a 1 0\r\n\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 4_000..40_000),
    ];
    (1..=SUBSCRIBED, subject, prop::option::of(subject), headers, payload)
        .prop_map(|(sid, subject, reply, headers, payload)| Said { sid, subject, reply, headers, payload })
}

/// What headers say, line by line.
fn read(headers: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for line in std::str::from_utf8(headers).unwrap().split("\r\n").skip(1).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        all.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    all
}

fn listed(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let text = |values: &Vec<async_nats::HeaderValue>| values.iter().map(|value| value.as_str().to_owned()).collect();
    headers.iter().map(|(name, values)| (name.to_string(), text(values))).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a line gives.
async fn by_line(bytes: &[u8], piece: usize) -> Vec<Told> {
    let (line, mut server) = Server::with_line().await;
    let saying = async {
        for piece in bytes.chunks(piece) {
            server.says(piece).await;
            tokio::task::yield_now().await;
        }
        server.ends().await;
    };
    let mut given = Vec::new();
    let take = |message: Message<'_>| {
        given.push(Told {
            sid: message.sid,
            subject: text(message.subject),
            reply: message.reply.map(text),
            status: wire::status(message.headers),
            headers: (!message.headers.is_empty()).then(|| read(message.headers)),
            payload: message.payload.to_vec(),
        });
    };
    tokio::join!(line.run(take), saying);
    given.retain(|told| told.subject != LAST);
    given.sort_by_key(|told| told.sid);
    given
}

/// What `async-nats` gives, subscription by subscription.
async fn by_async_nats(bytes: &[u8], piece: usize) -> Vec<Told> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = async {
        let (socket, _) = listener.accept().await.unwrap();
        let mut server = super::Server { socket: BufReader::new(socket) };
        server.says(&[INFO, b"\r\n"].concat()).await;
        let mut subscribed = 0;
        while subscribed < SUBSCRIBED {
            match server.hears().await {
                line if line == "PING" => server.says(b"PONG\r\n").await,
                line => subscribed += u64::from(line.starts_with("SUB ")),
            }
        }
        for piece in bytes.chunks(piece) {
            server.says(piece).await;
            tokio::task::yield_now().await;
        }
        server
    };
    let hearing = async {
        let client = async_nats::connect(address.to_string()).await.unwrap();
        let subscriptions = join_all((1..=SUBSCRIBED).map(|sid| client.subscribe(format!("s.{sid}")))).await;
        join_all(subscriptions.into_iter().zip(1..).map(async |(subscription, sid)| {
            let messages =
                subscription.unwrap().take_while(|message| std::future::ready(message.subject.as_str() != LAST));
            let told = messages.map(|message| Told {
                sid,
                subject: message.subject.to_string(),
                reply: message.reply.map(|reply| reply.to_string()),
                status: message.status.map(|status| status.as_u16()),
                headers: message.headers.as_ref().map(listed),
                payload: message.payload.to_vec(),
            });
            told.collect::<Vec<_>>().await
        }))
        .await
    };
    let (told, _server) = tokio::join!(hearing, serving);
    told.concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_line_gives_what_async_nats_gives(
        messages in prop::collection::vec(said(), 0..12),
        piece in prop_oneof![1_usize..64, 64_usize..20_000],
    ) {
        let last = (1..=SUBSCRIBED).map(|sid| format!("MSG {LAST} {sid} 0\r\n\r\n").into_bytes());
        // Pieces as small as that are for what is short.
        let total: usize = messages.iter().map(|message| message.payload.len()).sum();
        let piece = piece.max(total / 200);
        let between = [&b"PING\r\n"[..], b"+OK\r\n", b""];
        let said = messages.iter().zip(between.iter().cycle()).flat_map(|(message, then)| [message.bytes(), then.to_vec()]);
        let bytes = said.chain(last).collect::<Vec<_>>().concat();
        let runtime = Runtime::new().unwrap();
        let (ours, theirs) = runtime.block_on(async { tokio::join!(by_line(&bytes, piece), by_async_nats(&bytes, piece)) });
        prop_assert_eq!(ours.len(), messages.len());
        prop_assert_eq!(ours, theirs);
    }
}
