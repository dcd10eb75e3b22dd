//! Groups: what is done in them, what is said in them, and who reads it.

mod behind;
mod commands;
mod cut;
mod following;
mod kills;
mod links;
mod listed;
mod receipts;
mod sending;
mod signals;
mod told;
mod willing;
mod windows;

use dunlin_tests::{
    device::{Device, new_id},
    wait::until,
};
use serde_json::{Value, json};

/// A command in `#team` under this id, with these fields beside.
fn command_as(id: &str, name: &str, fields: Value) -> Value {
    let mut command = json!({ "id": id, "group": "#team" });
    for (field, value) in fields.as_object().expect("fields") {
        command[field] = value.clone();
    }
    json!({ name: command })
}

/// The same under a new id.
fn command(name: &str, fields: Value) -> Value {
    command_as(&new_id(), name, fields)
}

/// Has something done in `#team`.
async fn done(device: &mut Device, name: &str, fields: Value) {
    assert_eq!(device.ask(7, command(name, fields.clone())).await, Ok(json!({ "done": {} })), "{name} {fields}");
}

/// Waits until the worker of each shard listens: it may still be coming up.
async fn ready(device: &mut Device) {
    for number in 0..8 {
        let leave = json!({ "group_leave": { "id": new_id(), "group": format!("#nowhere-{number}") } });
        until("the groups worker", async || (refused(device, &leave).await.0 == "not_a_member").then_some(())).await;
    }
}

/// Makes `#team` with these members beside whoever makes it.
async fn made(device: &mut Device, members: &[&str]) {
    ready(device).await;
    let answer = device.ask(7, command("group_create", json!({ "members": members }))).await.expect("a group");
    assert_eq!(answer["group"]["members"], members.len() + 1, "{answer}");
}

/// The code with which a question is refused, and whether to ask again.
async fn refused(device: &mut Device, what: &Value) -> (String, bool) {
    let refused = device.ask(8, what.clone()).await.expect_err("a refusal");
    assert!(refused["message"].as_str().is_some_and(|message| !message.is_empty()), "{refused}");
    (refused["code"].as_str().expect("a code").to_owned(), refused["retry_after"].is_u64())
}
