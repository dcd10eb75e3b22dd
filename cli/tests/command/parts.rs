//! The parts of `dunlin dev` are killed one after the other, and nobody loses anything.

use dunlin_client::{
    Client, ClientOptions, Event, Events,
    schema::{Content, frame::StartAt},
};
use tokio::time::timeout;

use super::{
    dev::{Part, ask},
    *,
};

/// How often each part is killed.
const ROUNDS: usize = 2;
/// What is sent around each kill.
const AROUND: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_killed_comes_back_where_it_was_and_clients_lose_nothing() {
    let temporary = TempDir::new().unwrap();
    let dev = Dev::start_with(dunlin(&[]), temporary.path(), &["--gateways", "2"]);
    let (alice, _events) = client(&dev, "alice", 1).await;
    let (_bob, events) = client(&dev, "bob", 2).await;
    let parts = ["gateway/1", "gateway/2", "worker", "nats"];
    let sent = ROUNDS * parts.len() * AROUND;
    let received = tokio::spawn(texts(events, sent));
    let mut texts = (0..sent).map(|number| number.to_string());
    for part in parts.repeat(ROUNDS) {
        let before = dev.part(part);
        let mut sending = Vec::new();
        for (number, text) in texts.by_ref().take(AROUND).enumerate() {
            if number == AROUND / 2 {
                is_killed(&dev, part, &before);
            }
            let content = Content::Message {
                text: Some(text),
                data: None,
                attachments: vec![],
                reply_to: None,
                mentions: vec![],
            };
            sending.push(alice.submit("bob", content).await.unwrap());
        }
        for sending in sending {
            timeout(DEADLINE, sending).await.expect("an answer in time").expect("an acceptance");
        }
        until("its return", || {
            let now = dev.part(part);
            assert_eq!(now.url, before.url, "{part} is where it was");
            now.since.is_some_and(|since| Some(since) > before.since) && now.restarts > before.restarts
        });
    }
    let received = timeout(DEADLINE, received).await.expect("all in time").unwrap();
    assert_eq!(received, (0..sent).map(|number| number.to_string()).collect::<Vec<_>>(), "each once, and in order");
}

fn is_killed(dev: &Dev, part: &str, before: &Part) {
    let killed = ask(&dev.page, &format!("POST /dev/kill/{part}"), &["X-Requested-With: me"]);
    let pid = before.pid.unwrap();
    assert_eq!((killed.status, killed.body), (200, format!(r#"{{"killed":"{part}","pid":{pid}}}"#)));
    until("its end", || !is_alive(pid));
}

/// Somebody who knows both gateways, and begins with this one.
async fn client(dev: &Dev, user: &str, first: usize) -> (Client, Events) {
    let token = ask(&dev.page, &format!("GET /dev/token?user={user}&device=phone"), &[]);
    let [first, second] = [first, 3 - first].map(|number| dev.part(&format!("gateway/{number}")).url.unwrap());
    let options = ClientOptions::new(first, token.body).url(second).device("phone".parse().unwrap());
    Client::connect(options.start(StartAt::Beginning)).await.unwrap()
}

/// What comes, until there is so much of it. Panics at a gap.
async fn texts(mut events: Events, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let event = events.next().await.expect("the client goes on");
        event.done().await.expect("a cursor in memory");
        assert!(!matches!(event, Event::Gap(_) | Event::Ended(_)), "{event:?} after {} messages", texts.len());
        if let Event::Entry(entry) = event {
            let entry = serde_json::to_value(entry.into_frame()).unwrap();
            texts.extend(entry["content"]["message"]["text"].as_str().map(str::to_owned));
        }
    }
    texts
}

#[test]
fn gateways_are_on_the_ports_after_the_first_and_taken_ones_are_said() {
    let folder = TempDir::new().unwrap();
    let (taken, said) = loop {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();
        let before = format!("127.0.0.1:{}", taken.port() - 1);
        let said = beside(folder.path(), &["dev", "--gateways", "2", "--no-page", "--listen", &before]);
        // Somebody else may have the port before it.
        if !stderr(&said).contains(&format!("listening on {before}")) {
            break (taken, said);
        }
    };
    assert!(stderr(&said).contains(&format!("listening on {taken}")), "{}", stderr(&said));
    let said = beside(folder.path(), &["dev", "--gateways", "2", "--no-page", "--listen", "127.0.0.1:65535"]);
    assert!(stderr(&said).contains("there are not 2 of them"), "{}", stderr(&said));
}
