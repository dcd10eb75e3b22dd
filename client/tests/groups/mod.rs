//! Commands in groups, over a real socket: each is done once.

use std::time::Duration;

use dunlin_client::{
    AskError, Client, GroupIs, Made,
    schema::{
        Address, Code, Millis,
        frame::{Answer, GroupItem, Question, ServerFrame},
        group::{GroupRole, GroupSettings},
    },
};

use crate::{
    asking::{asked, say},
    gateway::{Gateway, Peer, soon, start, welcome},
};

/// Adds carol in a task of its own.
fn adding(client: &Client) -> tokio::task::JoinHandle<Result<Vec<Address>, AskError>> {
    let client = client.clone();
    tokio::spawn(async move { client.add_members("#team".parse().unwrap(), vec!["carol".parse().unwrap()]).await })
}

async fn refuse(peer: &mut Peer, reference: u64, code: Code, retry_after: Option<Millis>) {
    let reference = Some(reference);
    peer.tell(ServerFrame::Refused { reference, code: code.into(), message: "no".to_owned(), retry_after }).await;
}

#[tokio::test]
async fn a_command_is_repeated_under_its_id_until_it_is_known_what_came_of_it() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    // Wanted before there is a connection: its id is of the gateway's time all the same.
    let adding = adding(&client);
    let (mut peer, _) = gateway.welcome().await;
    let mut ask = asked(&mut peer).await;
    let first = ask.what.clone();
    assert!(matches!(&first, Question::GroupAdd { users, .. } if users.len() == 1), "{first:?}");
    assert!(first.id().unwrap().time().since(Millis(1_763_683_200_000)) < Millis(60_000), "{first:?}");
    for code in [Code::UnknownOutcome, Code::Unavailable, Code::RateLimited] {
        refuse(&mut peer, ask.reference, code, Some(Millis(1))).await;
        ask = asked(&mut peer).await;
        assert_eq!(ask.what, first, "{code}");
    }
    drop(peer);
    let mut peer = gateway.accept().await;
    peer.hello().await;
    peer.tell(welcome()).await;
    let ask = asked(&mut peer).await;
    assert_eq!(ask.what, first, "over another connection");
    say(&mut peer, &ask, Answer::Done {}).await;
    assert_eq!(soon("the answer", adding).await.unwrap(), Ok(vec![]));
}

#[tokio::test]
async fn a_command_that_is_refused_for_good_or_for_long_is_not_repeated_and_the_next_one_is_another() {
    let gateway = Gateway::start().await;
    let mut options = gateway.options();
    options.ask_within = Duration::from_secs(5);
    let (client, _events) = start(options).await;
    let (mut peer, _) = gateway.welcome().await;
    let mut ids = Vec::new();
    for (code, retry_after) in [(Code::NotAllowed, None), (Code::Unavailable, Some(Millis(60_000)))] {
        let adding = adding(&client);
        let ask = asked(&mut peer).await;
        ids.push(ask.what.id());
        refuse(&mut peer, ask.reference, code, retry_after).await;
        let Err(AskError::Refused { code: told, .. }) = soon("the refusal", adding).await.unwrap() else {
            panic!("an answer")
        };
        assert_eq!(told, code);
    }
    let creating = tokio::spawn(async move {
        let is = GroupIs { title: "Dogs".parse().ok(), ..GroupIs::default() };
        client.create_group("#team".parse().unwrap(), is, vec!["bob".parse().unwrap()]).await
    });
    let ask = asked(&mut peer).await;
    ids.push(ask.what.id());
    let item = GroupItem {
        group: "#team".parse::<Address>().unwrap().into(),
        title: "Dogs".parse().ok(),
        members: 2,
        settings: GroupSettings::default(),
        role: GroupRole::Owner.into(),
    };
    say(&mut peer, &ask, Answer::Group(Box::new(item.clone()))).await;
    assert_eq!(soon("the group", creating).await.unwrap(), Ok(Made { group: item, without: vec![] }));
    assert!(ids.iter().all(Option::is_some) && ids.is_sorted_by(|a, b| a != b), "{ids:?}");
}
