//! Asking, over a real socket.

use std::time::Duration;

use dunlin_client::{
    AskError, Client, Ended,
    schema::{
        Code,
        frame::{Answer, AnswerFrame, Ask, ClientFrame, DeviceItem, Encoding, Question, ServerFrame},
    },
};

use crate::gateway::{Gateway, Peer, goodbye, soon, start, welcome};

pub(crate) async fn asked(peer: &mut Peer) -> Ask {
    match peer.next().await {
        ClientFrame::Ask(ask) => ask,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn say(peer: &mut Peer, ask: &Ask, what: Answer) {
    peer.tell(ServerFrame::Answer(AnswerFrame { reference: ask.reference, what: what.into() })).await;
}

/// Asks in a task of its own.
fn devices(client: &Client) -> tokio::task::JoinHandle<Result<Vec<DeviceItem>, AskError>> {
    let client = client.clone();
    tokio::spawn(async move { client.devices().await })
}

#[tokio::test]
async fn devices_are_listed_named_and_removed_in_both_encodings() {
    for encoding in [Encoding::Json, Encoding::Postcard] {
        let gateway = Gateway::start().await;
        let (client, _events) = start(gateway.options().encoding(encoding)).await;
        // Asked before there is a connection.
        let listing = devices(&client);
        let (mut peer, _) = gateway.welcome().await;
        let ask = asked(&mut peer).await;
        assert_eq!(ask.what, Question::Devices {});
        let items = vec![DeviceItem {
            device: "phone".parse().unwrap(),
            last_seen: None,
            here: true,
            title: "TV".parse().ok(),
        }];
        say(&mut peer, &ask, Answer::Devices { items: items.clone() }).await;
        assert_eq!(soon("the list", listing).await.unwrap(), Ok(items));
        let removing = {
            let client = client.clone();
            tokio::spawn(async move { client.remove_device("web".parse().unwrap()).await })
        };
        let ask = asked(&mut peer).await;
        assert_eq!(ask.what, Question::DeviceRemove { device: "web".parse().unwrap() });
        say(&mut peer, &ask, Answer::Done {}).await;
        assert_eq!(soon("the removal", removing).await.unwrap(), Ok(()));
        let (web, title) = ("web".parse().unwrap(), "TV".parse().ok());
        let (naming, named) = (client.clone(), Question::DeviceName { device: web, title });
        let naming = tokio::spawn(async move { naming.name_device("web".parse().unwrap(), "TV".parse().ok()).await });
        let ask = asked(&mut peer).await;
        assert_eq!(ask.what, named);
        say(&mut peer, &ask, Answer::Done {}).await;
        assert_eq!(soon("the title", naming).await.unwrap(), Ok(()));
        let listing = devices(&client);
        let ask = asked(&mut peer).await;
        say(&mut peer, &ask, Answer::Done {}).await;
        assert!(matches!(soon("the list", listing).await.unwrap(), Err(AskError::Unexpected(_))), "no list");
    }
}

#[tokio::test]
async fn whoever_asks_is_told_of_the_connections_end_and_can_ask_again() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    let listing = devices(&client);
    asked(&mut peer).await;
    drop(peer);
    assert_eq!(soon("the end", listing).await.unwrap(), Err(AskError::Disconnected));
    let listing = devices(&client);
    let mut peer = gateway.accept().await;
    peer.hello().await;
    peer.tell(welcome()).await;
    let ask = asked(&mut peer).await;
    say(&mut peer, &ask, Answer::Devices { items: Vec::new() }).await;
    assert_eq!(soon("the list", listing).await.unwrap(), Ok(Vec::new()));
}

#[tokio::test]
async fn nobody_waits_for_a_gateway_that_does_not_answer_or_is_not_there() {
    let gateway = Gateway::start().await;
    let mut options = gateway.options();
    options.ask_within = Duration::from_millis(50);
    let (client, _events) = start(options).await;
    assert_eq!(soon("the end", client.devices()).await, Err(AskError::TimedOut), "there is no connection yet");
    let (mut peer, _) = gateway.welcome().await;
    let listing = devices(&client);
    asked(&mut peer).await;
    assert_eq!(soon("the end", listing).await.unwrap(), Err(AskError::TimedOut));
}

#[tokio::test]
async fn a_client_that_was_replaced_is_over_and_says_so_to_whoever_asks() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    let listing = devices(&client);
    asked(&mut peer).await;
    peer.tell(goodbye(Code::Replaced)).await;
    assert_eq!(soon("the end", listing).await.unwrap(), Err(AskError::Disconnected));
    let Err(AskError::Ended(Ended::Goodbye(why))) = soon("the end", client.devices()).await else {
        panic!("an answer")
    };
    assert_eq!(why.code, Code::Replaced);
}
