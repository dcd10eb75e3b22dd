//! What senders repeat after a gap: whatever a power loss took that nobody has, and nothing else.

use std::collections::BTreeSet;

use dunlin_client::{Accepted, Client, ClientOptions, Event, Events};
use dunlin_schema::{Address, Content, MessageId, Seq};
use dunlin_tests::{device::Device, history::Application, region::Region, wait::until};
use tokio::sync::watch;

/// A client of alice's, and how far what she sent to bob has come.
struct Sender {
    client: Client,
    delivered: watch::Receiver<Option<Seq>>,
}

/// Takes what happens, and tells of each receipt of bob's.
async fn follow(mut events: Events, told: watch::Sender<Option<Seq>>) {
    while let Some(event) = events.next().await {
        if let Event::Receipt(receipt) = &event
            && receipt.to.known().map(Address::to_string).as_deref() == Some("bob")
        {
            told.send_replace(receipt.delivered.map(Seq));
        }
        event.done().await.expect("a store in memory");
    }
}

impl Sender {
    async fn start(region: &Region) -> Sender {
        let url = format!("ws://{}/v1/connect", region.gateway(0));
        let options = ClientOptions::new(url, region.token("alice")).device("phone".parse().expect("a name"));
        let (client, events) = Client::connect(options).await.expect("a welcome");
        let (told, delivered) = watch::channel(None);
        tokio::spawn(follow(events, told));
        Sender { client, delivered }
    }

    /// Sends to bob until each is accepted, in order.
    async fn sends(&self, texts: impl Iterator<Item = String>) -> Vec<Accepted> {
        let mut accepted = vec![];
        for text in texts {
            let content = Content::Message {
                text: Some(text),
                data: None,
                attachments: vec![],
                reply_to: None,
                mentions: vec![],
            };
            accepted.push(self.client.send("bob", content).await.expect("accepted"));
        }
        accepted
    }

    /// Waits until she is told that bob has everything up to this.
    async fn until_delivered(&mut self, last: &Accepted) {
        let came = self.delivered.wait_for(|delivered| *delivered >= last.order);
        tokio::time::timeout(std::time::Duration::from_secs(30), came)
            .await
            .expect("a receipt in time")
            .expect("a client");
    }
}

/// Takes entries until all of these have come, and acknowledges the last.
async fn takes(bob: &mut Device, application: &mut Application, all: &[Accepted]) {
    while !all.iter().all(|sent| application.has(&sent.id.to_string())) {
        application.take(&bob.next().await.expect("an open socket"));
    }
    let delivered = application.last_seq().expect("an entry");
    bob.say(serde_json::json!({ "ack": { "log": "mailbox", "delivered": delivered } })).await;
}

fn ids(accepted: &[&[Accepted]]) -> BTreeSet<MessageId> {
    accepted.iter().copied().flatten().map(|sent| sent.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_power_loss_senders_repeat_what_nobody_has_and_nothing_else() {
    let mut region = Region::start(1).await;
    let mut application = Application::default();
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = Sender::start(&region).await;
    // So she knows in which life of bob's log what follows is stored.
    let kept = alice.sends(["kept".to_owned()].into_iter()).await;
    takes(&mut bob, &mut application, &kept).await;
    alice.until_delivered(&kept[0]).await;
    let snapshot = {
        region.nats.stop();
        let snapshot = region.nats.snapshot();
        region.nats.restart();
        snapshot
    };
    let mut bob = region.caught_up_when_ready(0, "bob", "phone").await;
    let delivered = alice.sends((0..20).map(|number| format!("delivered {number}"))).await;
    takes(&mut bob, &mut application, &delivered).await;
    alice.until_delivered(&delivered[19]).await;
    drop(bob);
    let undelivered = alice.sends((0..5).map(|number| format!("nobody has it {number}"))).await;

    region.nats.kill();
    region.nats.put_back(&snapshot);
    for worker in region.workers.drain(..) {
        worker.kill();
    }
    region.nats.restart();
    let worker = region.new_worker("second").await;
    region.workers.push(worker);

    let wanted = ids(&[&kept, &undelivered]);
    let stored = until("what nobody has to be stored again", async || {
        let stored: Vec<_> = region.stored("bob").await.iter().map(|entry| entry.id).collect();
        wanted.iter().all(|id| stored.contains(id)).then_some(stored)
    })
    .await;
    // What is to be repeated goes before what is new.
    let after = alice.sends(["after".to_owned()].into_iter()).await;
    let now: Vec<_> = region.stored("bob").await.iter().map(|entry| entry.id).collect();
    assert_eq!(now[..stored.len()], stored);
    assert_eq!(
        now.iter().copied().collect::<BTreeSet<_>>(),
        ids(&[&kept, &undelivered, &after]),
        "what bob has was sent again"
    );
    assert_eq!(now.len(), wanted.len() + 1, "each is stored once");

    let mut bob = region.connect(0, "bob", "phone", application.cursor.as_deref()).await;
    takes(&mut bob, &mut application, &[&undelivered[..], &after].concat()).await;
    for sent in [kept, delivered, undelivered, after].concat() {
        assert!(application.has(&sent.id.to_string()), "{sent:?} was accepted and is missing");
    }
    alice.client.close().await;
}
