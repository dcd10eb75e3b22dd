//! Invitations by link, over sockets.

use dunlin_nats::{ConnectOptions, Connection, Record, Records};
use dunlin_schema::{LinkSecret, LinkToken, Seq, subject};
use dunlin_tests::{
    device::{Device, new_id},
    region::Region,
};
use serde_json::{Value, json};

use super::{command, done, made, refused};

fn join(token: &str) -> Value {
    json!({ "group_join": { "id": new_id(), "token": token } })
}

/// A token of `#team`.
async fn link(device: &mut Device, fields: Value) -> String {
    let answer = device.ask(7, command("group_link", fields)).await.expect("a link");
    answer["link"]["token"].as_str().expect("a token").to_owned()
}

/// Takes frames until one is this entry.
async fn until_given(device: &mut Device, id: &str) {
    while device.expect("entry").await["id"] != id {}
}

/// What is kept of the links of `#team`: subjects and bytes.
async fn kept(region: &Region) -> Vec<(String, Record)> {
    let options = ConnectOptions { servers: vec![region.url()], ..ConnectOptions::default() };
    let connection = Connection::open(&options, &region.settings().region).await.expect("a connection");
    let log = region.group("team");
    let group = log.owner.as_str().parse().expect("a group");
    let pattern = subject::links(&log.region, log.shard, &group);
    Records::new(&connection).page(log.shard, &pattern, Seq(0)).await.expect("records").records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_token_joins_and_reads_from_then_on() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut dave = region.caught_up(1, "dave", "phone").await;
    let mut eve = region.caught_up(1, "eve", "phone").await;
    made(&mut alice, &["bob"]).await;
    let answer = alice.ask(1, command("group_link", json!({ "uses": 1 }))).await.expect("a link")["link"].clone();
    let token = answer["token"].as_str().expect("a token");
    assert!(token.starts_with("team@local."), "{token}");
    let left = answer["expires"].as_u64().expect("a time") - dunlin_tests::tokens::now() * 1_000;
    assert!((604_700_000..604_802_000).contains(&left), "a week: {left}");
    // Nothing of the secret is kept where records are read.
    let secret = token.rsplit('.').next().expect("a secret");
    let records = kept(&region).await;
    assert_eq!(records.len(), 1);
    assert!(!format!("{records:?}").contains(secret));

    let joined = dave.ask(1, join(token)).await.expect("a group");
    assert_eq!((&joined["group"]["members"], &joined["group"]["role"]), (&json!(3), &json!("member")), "{joined}");
    let said = alice.send("#team", "welcome").await;
    until_given(&mut dave, &said).await;
    assert_eq!(refused(&mut eve, &join(token)).await, ("not_found".to_owned(), false));
    assert_eq!(refused(&mut dave, &command("group_link", json!({}))).await, ("not_allowed".to_owned(), false));
    assert_eq!(refused(&mut eve, &command("group_link", json!({}))).await, ("not_a_member".to_owned(), false));
    assert_eq!(refused(&mut eve, &command("group_unlink", json!({}))).await, ("not_a_member".to_owned(), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_none_opens_nothing_and_tells_nothing() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut eve = region.caught_up(0, "eve", "phone").await;
    made(&mut alice, &["bob"]).await;
    alice.ask(1, json!({ "group_create": { "id": new_id(), "group": "#other" } })).await.expect("a group");
    let token = link(&mut alice, json!({})).await;
    let LinkToken { secret, .. } = token.parse().expect("a token");
    let of = |group: &str, bytes: [u8; 16]| {
        LinkToken { group: group.parse().unwrap(), secret: LinkSecret(bytes) }.to_string()
    };
    let mut other = secret.0;
    other[15] ^= 1;
    for (forged, code) in [
        (of("#other", secret.0), "not_found"),
        (of("#nowhere", secret.0), "not_found"),
        (of("#team", other), "not_found"),
        (of("#team@eu", secret.0), "unsupported"),
        (token[..token.len() - 1].to_owned(), "bad_question"),
        (format!("#{token}"), "bad_question"),
        (format!("{token}="), "bad_question"),
        (token.replace("team", "te*m"), "bad_question"),
        (token.replace("team", "team.>"), "bad_question"),
        (String::new(), "bad_question"),
    ] {
        assert_eq!(refused(&mut eve, &join(&forged)).await, (code.to_owned(), false), "{forged}");
    }
    for fields in [
        json!({ "ttl": 999 }),
        json!({ "ttl": 2_592_000_001_u64 }),
        json!({ "ttl": -1 }),
        json!({ "uses": 0 }),
        json!({ "uses": 100_001 }),
        json!({ "uses": "1" }),
    ] {
        let refusal = refused(&mut alice, &command("group_link", fields.clone())).await;
        assert_eq!(refusal, ("bad_question".to_owned(), false), "{fields}");
    }
    let foreign = json!({ "token": of("#other", secret.0) });
    assert_eq!(refused(&mut alice, &command("group_unlink", foreign)).await, ("not_found".to_owned(), false));
    // Revoked, it is as if it had never been.
    done(&mut alice, "group_unlink", json!({ "token": token })).await;
    done(&mut alice, "group_unlink", json!({ "token": token })).await;
    assert_eq!(refused(&mut eve, &join(&token)).await, ("not_found".to_owned(), false));
    assert_eq!(kept(&region).await, []);
}
