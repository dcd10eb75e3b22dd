//! What is done in a group, over sockets: by whom, with which answer, and once.

use std::collections::BTreeSet;

use dunlin_schema::{Entry, entry::Body};
use dunlin_tests::{
    device::{Device, id_at, new_id},
    link::Link,
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

use super::{command, command_as, done, made, ready, refused};

fn info() -> Value {
    json!({ "group_info": { "group": "#team" } })
}

fn settings(who_may_add: &str, who_may_write: &str, history: bool) -> Value {
    json!({ "who_may_add": who_may_add, "who_may_write": who_may_write, "history": history })
}

/// What `#team` is, as somebody in it is told.
async fn is(device: &mut Device) -> Value {
    device.ask(9, info()).await.expect("an answer")["group"].clone()
}

/// A page of answers: its items, and what the next one is asked with.
async fn page(device: &mut Device, question: &str, mut of: Value, limit: u64, after: &Value) -> (Vec<Value>, Value) {
    of["limit"] = limit.into();
    of["after"] = after.clone();
    let answer = device.ask(9, json!({ question: of })).await.expect("an answer");
    let answer = answer.as_object().and_then(|answer| answer.values().next()).expect("an answer").clone();
    (answer["items"].as_array().expect("items").clone(), answer["next"].clone())
}

/// Who is in `#team`, and what they are.
async fn members(device: &mut Device) -> BTreeSet<(String, String)> {
    let (items, next) = page(device, "group_members", json!({ "group": "#team" }), 100, &Value::Null).await;
    assert!(next.is_null() && items.iter().all(|item| item["joined"].is_u64()), "{items:?}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    items.iter().map(|item| (text(&item["user"]), text(&item["role"]))).collect()
}

fn these(members: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    members.iter().map(|(user, role)| ((*user).to_owned(), (*role).to_owned())).collect()
}

/// How many commands the log of `#team` holds.
async fn commands(region: &Region) -> usize {
    let entries = region.stored_in(&region.group("team")).await;
    entries.iter().filter(|(_, Entry { body, .. })| matches!(body, Body::Content(_))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_is_seen_at_once_by_every_member_at_every_gateway() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let mut dave = region.caught_up(1, "dave", "phone").await;
    ready(&mut alice).await;
    let create = json!({ "title": "The team", "members": ["bob", "carol@local", "bob", "alice"], "settings": { "history": true } });
    let item = |members: u32, role: &str, title: &str, settings: &Value| json!({ "group": "#team", "title": title, "members": members, "settings": settings, "role": role });
    let first = settings("admins", "members", true);
    let created = alice.ask(1, command("group_create", create)).await;
    assert_eq!(created, Ok(json!({ "group": item(3, "owner", "The team", &first) })));
    assert_eq!(is(&mut alice).await, item(3, "owner", "The team", &first));
    assert_eq!(is(&mut bob).await, item(3, "member", "The team", &first));
    assert_eq!(members(&mut bob).await, these(&[("alice", "owner"), ("bob", "member"), ("carol", "member")]));
    let listed = page(&mut bob, "groups", json!({}), 10, &Value::Null).await;
    assert_eq!(listed, (vec![item(3, "member", "The team", &first)], Value::Null));
    assert_eq!(page(&mut dave, "groups", json!({}), 10, &Value::Null).await, (vec![], Value::Null));

    done(&mut alice, "group_role", json!({ "user": "bob", "role": "admin" })).await;
    assert_eq!(is(&mut bob).await["role"], "admin");
    done(&mut bob, "group_add", json!({ "users": ["dave", "carol"] })).await;
    assert_eq!(is(&mut dave).await, item(4, "member", "The team", &first));
    done(&mut bob, "group_set", json!({ "title": "Dogs", "settings": { "who_may_write": "admins" } })).await;
    done(&mut bob, "group_set", json!({ "settings": { "history": false } })).await;
    let second = settings("admins", "admins", false);
    assert_eq!(is(&mut dave).await, item(4, "member", "Dogs", &second), "what is left out stays as it is");
    done(&mut bob, "group_remove", json!({ "users": ["carol", "nobody"] })).await;
    done(&mut alice, "group_leave", json!({})).await;
    assert_eq!(members(&mut dave).await, these(&[("bob", "owner"), ("dave", "member")]), "the admin is the heir");
    assert_eq!(refused(&mut alice, &info()).await, ("not_a_member".to_owned(), false));
    // What is so already is done, and nothing is stored for it.
    let before = commands(&region).await;
    done(&mut bob, "group_add", json!({ "users": ["dave"] })).await;
    done(&mut bob, "group_remove", json!({ "users": ["carol"] })).await;
    done(&mut bob, "group_role", json!({ "user": "dave", "role": "member" })).await;
    done(&mut bob, "group_set", json!({ "title": "Dogs" })).await;
    assert_eq!(commands(&region).await, before);

    done(&mut bob, "group_delete", json!({})).await;
    for device in [&mut bob, &mut dave, &mut alice] {
        assert_eq!(refused(device, &info()).await, ("not_a_member".to_owned(), false));
        assert_eq!(page(device, "groups", json!({}), 10, &Value::Null).await, (vec![], Value::Null));
    }
    assert_eq!(refused(&mut bob, &command("group_create", json!({}))).await, ("exists".to_owned(), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_told_so_and_nothing_changes() {
    let region = Region::start(1).await;
    let mut who = Vec::new();
    for name in ["owner", "admin", "member", "stranger"] {
        who.push(region.caught_up(0, name, "phone").await);
    }
    made(&mut who[0], &["admin", "member", "other"]).await;
    done(&mut who[0], "group_role", json!({ "user": "admin", "role": "admin" })).await;
    let before = commands(&region).await;
    let (owner, admin, member, stranger) = (0, 1, 2, 3);
    let role = |user: &str, role: &str| ("group_role", json!({ "user": user, "role": role }));
    let add = |user: &str| ("group_add", json!({ "users": [user] }));
    let remove = |user: &str| ("group_remove", json!({ "users": [user] }));
    let (set, leave) = (("group_set", json!({ "title": "Mine" })), ("group_leave", json!({})));
    let (delete, create) = (("group_delete", json!({})), ("group_create", json!({ "members": ["stranger"] })));
    for (by, (name, fields), code) in [
        (member, add("stranger"), "not_allowed"),
        (member, remove("other"), "not_allowed"),
        (member, remove("member"), "not_allowed"),
        (member, set.clone(), "not_allowed"),
        (member, role("member", "owner"), "not_allowed"),
        (member, delete.clone(), "not_allowed"),
        (admin, remove("owner"), "not_allowed"),
        (admin, role("member", "admin"), "not_allowed"),
        (admin, delete.clone(), "not_allowed"),
        (owner, role("owner", "member"), "not_allowed"),
        (owner, remove("owner"), "not_allowed"),
        (owner, role("stranger", "admin"), "not_found"),
        (owner, create.clone(), "exists"),
        (stranger, create, "exists"),
        (stranger, add("stranger"), "not_a_member"),
        (stranger, remove("member"), "not_a_member"),
        (stranger, set, "not_a_member"),
        (stranger, leave, "not_a_member"),
        (stranger, role("stranger", "owner"), "not_a_member"),
        (stranger, delete, "not_a_member"),
    ] {
        let refusal = refused(&mut who[by], &command(name, fields.clone())).await;
        assert_eq!(refusal, (code.to_owned(), false), "{name} {fields} of {by}");
    }
    for (by, group) in [(stranger, "#team"), (owner, "#nowhere")] {
        for fields in
            [json!({ "group_info": { "group": group } }), json!({ "group_members": { "group": group, "limit": 9 } })]
        {
            assert_eq!(refused(&mut who[by], &fields).await, ("not_a_member".to_owned(), false), "{fields}");
        }
    }
    assert_eq!(commands(&region).await, before);
    // Where members may add, they may.
    done(&mut who[admin], "group_set", json!({ "settings": { "who_may_add": "members" } })).await;
    done(&mut who[member], "group_add", json!({ "users": ["stranger"] })).await;
    assert_eq!(is(&mut who[stranger]).await["members"], 5);
    // Somebody alone can't leave: nobody would be left to manage it.
    let mut alone = region.caught_up(0, "alone", "phone").await;
    let own = |name: &str| json!({ name: { "id": new_id(), "group": "#own" } });
    alone.ask(1, own("group_create")).await.expect("a group");
    assert_eq!(refused(&mut alone, &own("group_leave")).await, ("not_allowed".to_owned(), false));
    assert_eq!(alone.ask(1, own("group_delete")).await, Ok(json!({ "done": {} })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_command_is_refused_in_words_and_the_socket_goes_on() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob"]).await;
    let before = commands(&region).await;
    let names = |count: usize| (0..count).map(|number| format!("user-{number}")).collect::<Vec<_>>();
    let of = |group: Value| json!({ "group_add": { "id": new_id(), "group": group, "users": ["eve"] } });
    for (what, code) in [
        (of(json!("team")), "bad_question"),
        (of(json!("#")), "bad_question"),
        (of(json!("##team")), "bad_question"),
        (of(json!("#te.am")), "bad_question"),
        (of(json!("#*")), "bad_question"),
        (of(json!("#team@")), "bad_question"),
        (of(json!(format!("#{}", "x".repeat(65)))), "bad_question"),
        (of(json!(["#team"])), "bad_question"),
        (of(json!("#team@eu")), "unsupported"),
        (command("group_add", json!({ "users": ["#others"] })), "bad_address"),
        (command("group_add", json!({ "users": ["eve@eu"] })), "unsupported"),
        (command("group_add", json!({ "users": ["e.ve"] })), "bad_question"),
        (command("group_add", json!({ "users": [""] })), "bad_question"),
        (command("group_add", json!({ "users": "eve" })), "bad_question"),
        (command("group_add", json!({ "users": [] })), "bad_question"),
        (command("group_remove", json!({})), "bad_question"),
        (command("group_add", json!({ "users": names(257) })), "bad_question"),
        (command("group_remove", json!({ "users": names(257) })), "bad_question"),
        (json!({ "group_create": { "id": new_id(), "group": "#big", "members": names(257) } }), "bad_question"),
        (command_as("01", "group_leave", json!({})), "bad_question"),
        (json!({ "group_leave": { "group": "#team" } }), "bad_question"),
        (command("group_role", json!({ "user": "bob", "role": "king" })), "bad_question"),
        (command("group_role", json!({ "user": "#team", "role": "admin" })), "bad_address"),
        (command("group_set", json!({ "title": "" })), "bad_question"),
        (command("group_set", json!({ "title": "\u{200b}" })), "bad_question"),
        (command("group_set", json!({ "title": "two\nlines" })), "bad_question"),
        (command("group_set", json!({ "settings": { "who_may_add": "nobody" } })), "bad_question"),
        (command("group_set", json!({ "settings": { "history": "yes" } })), "bad_question"),
        (json!({ "group_members": { "group": "#team", "limit": 0 } }), "bad_question"),
        (json!({ "group_members": { "group": "#team", "limit": 1, "after": -1 } }), "bad_question"),
        (json!({ "group_info": { "group": "#team@eu" } }), "unsupported"),
        (json!({ "group_rename": { "group": "#team" } }), "unknown_question"),
    ] {
        assert_eq!(refused(&mut alice, &what).await, (code.to_owned(), false), "{what}");
    }
    assert_eq!(commands(&region).await, before);
    // As many as may be named are.
    done(&mut alice, "group_add", json!({ "users": names(256) })).await;
    until("all of them", async || (is(&mut alice).await["members"] == 258).then_some(())).await;
    done(&mut alice, "group_remove", json!({ "users": names(256) })).await;
    until("none of them", async || (is(&mut alice).await["members"] == 2).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_done_once_and_gets_the_first_answer_whatever_was_decided_since() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut other = region.caught_up(1, "alice", "laptop").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    ready(&mut alice).await;
    let now = || u128::from(dunlin_tests::tokens::now()) * 1_000;
    let id = id_at(now() - 90_000);
    let create = command_as(&id, "group_create", json!({ "title": "Dogs", "members": ["bob", "carol"] }));
    let first = alice.ask(1, create.clone()).await.expect("a group");
    let leave = command("group_leave", json!({}));
    let remove = command("group_remove", json!({ "users": ["carol"] }));
    for (device, what) in [(&mut bob, &leave), (&mut alice, &remove)] {
        assert_eq!(device.ask(2, what.clone()).await, Ok(json!({ "done": {} })));
    }
    let stored = commands(&region).await;
    // Also where it is refused to others by now, and where who did it is gone.
    assert_eq!(alice.ask(1, create.clone()).await, Ok(first.clone()));
    assert_eq!(other.ask(1, create.clone()).await, Ok(first));
    assert_eq!(bob.ask(2, leave).await, Ok(json!({ "done": {} })));
    done(&mut alice, "group_add", json!({ "users": ["carol"] })).await;
    assert_eq!(other.ask(2, remove).await, Ok(json!({ "done": {} })));
    assert_eq!(members(&mut alice).await, these(&[("alice", "owner"), ("carol", "member")]), "a repeat undoes nothing");
    assert_eq!(commands(&region).await, stored + 1);
    // The id of somebody else is another one.
    assert_eq!(refused(&mut bob, &create).await, ("exists".to_owned(), false));
    for (id, code) in [(id_at(now() + 90_000), "from_the_future"), (id_at(now() - 40 * 24 * 3_600_000), "too_old")] {
        let what = command_as(&id, "group_add", json!({ "users": ["dave"] }));
        assert_eq!(refused(&mut alice, &what).await, (code.to_owned(), false), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_worker_a_command_is_for_later_and_what_had_no_answer_is_done_once() {
    let mut region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob"]).await;
    region.workers.pop().expect("a worker").kill();
    let add = command("group_add", json!({ "users": ["carol"] }));
    until("nobody to listen", async || {
        let (code, again) = refused(&mut alice, &add).await;
        assert!(["unavailable", "unknown_outcome"].contains(&code.as_str()) && again, "{code}");
        (code == "unavailable").then_some(())
    })
    .await;
    let link = Link::to(region.nats.port()).await;
    region.workers.push(region.new_worker_through(link.url(), "second").await);
    until("a worker", async || alice.ask(1, add.clone()).await.ok()).await;
    // What is given up by the gateway may be done all the same.
    link.freeze();
    let remove = command("group_remove", json!({ "users": ["bob"] }));
    assert_eq!(refused(&mut alice, &remove).await, ("unknown_outcome".to_owned(), true));
    link.heal();
    until("an answer", async || alice.ask(1, remove.clone()).await.ok()).await;
    assert_eq!(members(&mut alice).await, these(&[("alice", "owner"), ("carol", "member")]));
    assert_eq!(commands(&region).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_members_and_many_groups_come_page_by_page_each_once() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let names: Vec<_> = (0..230).map(|number| format!("user-{number}")).collect();
    made(&mut alice, &[]).await;
    done(&mut alice, "group_add", json!({ "users": names })).await;
    // Those who are no longer members take no place.
    done(&mut alice, "group_remove", json!({ "users": names[..80] })).await;
    for group in ["a", "b", "c", "d"] {
        let create = json!({ "group_create": { "id": new_id(), "group": format!("#{group}") } });
        alice.ask(1, create).await.expect("a group");
    }
    let mut found = BTreeSet::new();
    for (question, of, limit, most, count) in [
        ("group_members", json!({ "group": "#team" }), 1_000_000, 100, 151),
        ("group_members", json!({ "group": "#team" }), 64, 64, 151),
        ("groups", json!({}), 2, 2, 5),
        ("groups", json!({}), 100, 100, 5),
    ] {
        found.clear();
        let (mut after, mut pages) = (Value::Null, 0);
        loop {
            let (items, next) = page(&mut alice, question, of.clone(), limit, &after).await;
            assert!(items.len() <= most, "{}", items.len());
            for item in items {
                assert!(found.insert(item[if question == "groups" { "group" } else { "user" }].to_string()), "{item}");
            }
            pages += 1;
            after = next;
            if after.is_null() {
                break;
            }
        }
        assert_eq!(found.len(), count, "{question} by {limit}");
        assert_eq!(pages, count.div_ceil(most), "{question} by {limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_counts_as_several_sends_and_a_question_as_none() {
    let region = Region::start_with(RegionOptions { sends_per_second: 1, ..RegionOptions::default() }).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    ready(&mut region.caught_up(0, "bob", "phone").await).await;
    alice.ask(1, command("group_create", json!({}))).await.expect("a group");
    let mut passed = 1;
    let refusal = loop {
        match alice.ask(1, command("group_set", json!({ "title": format!("Number {passed}") }))).await {
            Ok(_) => passed += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((&refusal["code"], refusal["retry_after"].is_u64()), (&json!("rate_limited"), true), "{refusal}");
    assert!((50..60).contains(&passed), "{passed}");
    assert_eq!(is(&mut alice).await["title"], format!("Number {}", passed - 1));
}
