//! `kill -9` of the gateway, the worker, nats-server and of all three, while a group's members talk, come and go, and are removed and
//! added. `DUNLIN_KILLS` says how many kills there are, and `DUNLIN_MEMBERS` how many members, of whom 32 at most say something.

use std::time::Duration;

use dunlin_schema::{Entry, Log, Peer, RegionName, stream::log_stream};
use dunlin_tests::{
    cluster::jetstream,
    device::{Device, message, new_id},
    process::Processes,
    team::{Manner, Team},
    wait::within,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(90);

/// Kills in one run of a group.
const KILLS: u32 = 4;
/// Members of the groups of an ordinary run.
const MEMBERS: &[usize] = &[2, 32, 33];
/// People whom one command adds.
const AT_ONCE: usize = 250;
/// Who talks, comes and goes, or is slow; all others listen.
const BUSY: usize = 32;

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().map(|count| count.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Has something done by the owner, whatever is killed meanwhile: under one id, until it is answered.
async fn done(region: &Processes, name: &str, fields: Value) {
    let mut command = json!({ "id": new_id(), "group": "#team" });
    for (field, value) in fields.as_object().expect("fields") {
        command[field] = value.clone();
    }
    asked(region, name, command).await;
}

/// What the owner is answered, whatever is killed meanwhile.
async fn asked(region: &Processes, name: &str, question: Value) -> Value {
    within(PATIENCE, name, async || {
        let gateway = region.gateways()[0];
        let mut owner = Device::try_hello(gateway, &region.token("owner"), "phone", None).await.ok()?;
        if !owner.try_say(json!({ "ask": { "ref": 1, "what": { name: question.clone() } } })).await {
            return None;
        }
        loop {
            let frame = owner.next_within(Duration::from_secs(10)).await?.ok()?;
            if frame["answer"]["ref"] == 1 {
                return Some(frame["answer"]["what"].clone());
            }
            let refused = &frame["refused"];
            if refused["ref"] == 1 {
                assert!(refused["retry_after"].is_u64() || refused["code"] == "unknown_outcome", "{name}: {refused}");
                return None;
            }
        }
    })
    .await
}

/// The order of something that the owner says.
async fn says(region: &Processes, text: &str) -> Value {
    let id = new_id();
    within(PATIENCE, text, async || {
        let mut owner = Device::try_hello(region.gateways()[0], &region.token("owner"), "phone", None).await.ok()?;
        if !owner.try_say(message(&id, "#team", text)).await {
            return None;
        }
        loop {
            let frame = owner.next_within(Duration::from_secs(10)).await?.ok()?;
            if frame["accepted"]["id"] == *id {
                return Some(frame["accepted"]["order"].clone());
            }
            if frame["rejected"]["id"] == *id {
                assert!(frame["rejected"]["retry_after"].is_u64(), "{frame}");
                return None;
            }
        }
    })
    .await
}

/// Waits until all members have something by its counts, which never say that more have it than there are.
async fn came_to_all(region: &Processes, order: &Value) {
    let info = asked(region, "group_info", json!({ "group": "#team" })).await;
    let others = info["group"]["members"].as_u64().expect("a number") - 1;
    within(PATIENCE, "the counts to be right", async || {
        let counts = asked(region, "receipts", json!({ "to": "#team", "order": order })).await["counts"].clone();
        assert_eq!(counts["of"], others, "{counts}");
        let delivered = counts["delivered"].as_u64().expect("a number");
        assert!(delivered <= others, "{counts}");
        (delivered == others).then_some(())
    })
    .await;
}

async fn stored(region: &Processes, name: &RegionName) -> Vec<(u64, Entry)> {
    let log = Log::of(name, 2, Peer::Group("team".parse().expect("a name")));
    let jetstream = jetstream([&region.nats], name.as_str()).await;
    let stream = jetstream.get_stream(log_stream(&log.region, log.shard)).await.expect("the shard's stream");
    let (mut entries, mut next) = (vec![], 1);
    while let Ok(message) = stream.get_first_raw_message_by_subject(&log.subject(), next).await {
        entries.push((message.sequence, Entry::decode(&message.payload).expect("an entry")));
        next = message.sequence + 1;
    }
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_is_given_their_windows_once_and_in_one_order_whatever_is_killed() {
    let seed =
        std::env::var("DUNLIN_KILLS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("DUNLIN_KILLS_SEED={seed} replays the choice of what is killed when");
    let mut random = StdRng::seed_from_u64(seed);
    let kills = number("DUNLIN_KILLS").map_or(KILLS, |kills| kills as u32);
    let members = number("DUNLIN_MEMBERS").map_or(MEMBERS.to_vec(), |members| vec![members]);
    for members in members {
        killed(members, kills, &mut random).await;
    }
}

async fn killed(members: usize, kills: u32, random: &mut StdRng) {
    let mut region = Processes::start(2).await;
    let names: Vec<String> = (0..members).map(|number| format!("user-{number}")).collect();
    let (first, others) = names.split_at(members.min(AT_ONCE));
    done(&region, "group_create", json!({ "members": first })).await;
    for users in others.chunks(AT_ONCE) {
        done(&region, "group_add", json!({ "users": users })).await;
    }
    let mut team = Team::at(region.gateways());
    for (number, name) in names.iter().enumerate() {
        let manner = match number % 4 {
            _ if number >= BUSY => Manner::Listens,
            1 => Manner::ComesAndGoes,
            3 => Manner::Slow,
            _ => Manner::Talks,
        };
        team.begin(name, region.token(name), manner);
    }
    for kill in 0..kills {
        let before = team.accepted();
        within(PATIENCE, "the talk to go on", async || (team.accepted() > before + 20).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
        region.replace_in_turn(kill, random.random_range(0..2));
        // Of two, one goes on talking.
        let user = if members > 2 { random.random_range(0..6) } else { 1 };
        let users = json!({ "users": [names[user]] });
        let name = if kill % 2 == 0 { "group_remove" } else { "group_add" };
        done(&region, name, users).await;
    }
    let name = RegionName::new("local").expect("a name");
    let order = says(&region, "the last word").await;
    team.finish(&name, async || stored(&region, &name).await).await;
    came_to_all(&region, &order).await;
}
