//! `kill -9` of the server that leads the shard of a group, and of all servers, while its members talk, come and go.

use dunlin_tests::{
    cluster,
    device::{Device, new_id},
    region::Region,
    team::{Manner, Team},
    wait::within,
};
use serde_json::{Value, json};

use super::{kill_leader, kills::AFTER_ELECTIONS, stream};

/// What is accepted between two faults.
const BETWEEN: usize = 40;

pub(super) async fn talk(region: &mut Region) {
    let names: Vec<String> = (0..6).map(|number| format!("user-{number}")).collect();
    done(region, "group_create", json!({ "members": names })).await;
    let gateways = vec![region.gateway(0), region.gateway(1)];
    let mut team = Team::at(gateways);
    for (number, name) in names.iter().enumerate() {
        let manner = [Manner::Talks, Manner::ComesAndGoes, Manner::Talks][number % 3];
        team.begin(name, region.token(name), manner);
    }
    more(&team, "before any fault").await;
    let killed = kill_leader(region).await;
    done(region, "group_remove", json!({ "users": ["user-1"] })).await;
    more(&team, "with two servers").await;
    region.server(&killed).restart();
    done(region, "group_add", json!({ "users": ["user-1"] })).await;
    more(&team, "with three servers again").await;
    for server in std::iter::once(&mut region.nats).chain(&mut region.peers) {
        server.kill();
    }
    for server in std::iter::once(&mut region.nats).chain(&mut region.peers) {
        server.restart();
    }
    more(&team, "after the start of all servers").await;
    within(AFTER_ELECTIONS, "a leader", async || {
        cluster::leader(&region.jetstream().await, &stream(region)).await;
        Some(())
    })
    .await;
    let name = region.settings().region.clone();
    team.finish(&name, async || region.stored_in(&region.group("team")).await).await;
}

async fn more(team: &Team, when: &str) {
    let enough = team.accepted() + BETWEEN;
    within(AFTER_ELECTIONS, when, async || (team.accepted() >= enough).then_some(())).await;
}

/// Has something done by the owner, whoever leads: under one id, until it is answered.
async fn done(region: &Region, name: &str, fields: Value) {
    let mut command = json!({ "id": new_id(), "group": "#team" });
    for (field, value) in fields.as_object().expect("fields") {
        command[field] = value.clone();
    }
    within(AFTER_ELECTIONS, name, async || {
        let mut owner = Device::try_hello(region.gateway(0), &region.token("owner"), "phone", None).await.ok()?;
        owner.ask(1, json!({ name: command })).await.ok()
    })
    .await;
}
