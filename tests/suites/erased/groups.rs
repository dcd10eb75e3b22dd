//! What is deleted in groups leaves their logs as it leaves mailboxes, and whoever is erased leaves their groups.

use std::collections::BTreeSet;

use dunlin_schema::{
    Content, Entry, Seq, UserName,
    content::Change,
    counts::GroupMarks,
    erasure::{Erasure, Stage},
    group::GroupRole,
    subject,
};
use dunlin_tests::region::RegionOptions;
use dunlin_workers::erase::{Erase, Sent};

use super::{
    person::{ask, gone, records, records_of, stage},
    *,
};

async fn group(device: &mut Device, group: &str, members: &[&str]) {
    until("the groups worker", async || {
        let create = json!({ "group_create": { "id": new_id(), "group": group, "members": members } });
        device.ask(3, create).await.ok()
    })
    .await;
}

async fn log_of(region: &Region, group: &str) -> Vec<Entry> {
    region.stored_in(&region.group(group)).await.into_iter().map(|(_, entry)| entry).collect()
}

/// How many entries, and how many tombstones, `#team` has of an id.
async fn left_of(region: &Region, id: &Value) -> (usize, usize) {
    let log = log_of(region, "team").await;
    let entries = log.iter().filter(|entry| *id == entry.id.to_string()).count();
    (entries, log.iter().filter(|entry| stands_for(entry, id)).count())
}

async fn taken_out(region: &Region, id: &Value) {
    let left = async || (left_of(region, id).await == (0, 1)).then_some(());
    within(Duration::from_secs(60), "the tombstone alone to be left", left).await;
}

/// Takes frames until `#team` has this entry, and fails at a gap.
async fn given(device: &mut Device, id: &Value) {
    loop {
        let frame = device.next().await.expect("a frame");
        assert!(frame["gap"].is_null(), "nothing is missing: {frame}");
        if frame["entry"]["id"] == *id {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_what_was_deleted_in_a_group_is_in_any_file_and_nobody_is_told_of_a_gap() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    group(&mut alice, "#team", &["bob", "carol", "dave"]).await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let (first, second) = (marker("first"), marker("second"));
    // One that bob takes back, with an edit, and one that an admin takes back. Nobody else says anything under its id.
    let own = say(&mut bob, "#team", json!({ "message": { "text": first } })).await["id"].clone();
    let edited = say(&mut bob, "#team", edit(&own, &first)).await["id"].clone();
    let others = say(&mut bob, "#team", json!({ "message": { "text": second } })).await["id"].clone();
    let same = own.as_str().expect("an id");
    let refused = say_as(&mut carol, same, "#team", &json!({ "message": { "text": "mine" } })).await;
    assert_eq!(refused.expect_err("bob's id")["code"], "not_yours");
    until("it to be in a file", async || (region.nats.stores(&first) && region.nats.stores(&second)).then_some(()))
        .await;
    say(&mut bob, "#team", delete(&own)).await;
    say(&mut alice, "#team", delete(&others)).await;
    within(Duration::from_secs(60), "bob's words to be gone", async || {
        let log = log_of(&region, "team").await;
        let is_there =
            |id: &Value| log.iter().any(|entry| *id == entry.id.to_string() && entry.from.user.as_str() == "bob");
        (!is_there(&own) && !is_there(&edited)).then_some(())
    })
    .await;
    taken_out(&region, &others).await;
    assert!(!region.nats.stores(&first) && !region.nats.stores(&second));
    // Whoever is there, comes back and comes for the first time reads on.
    let last = say(&mut alice, "#team", json!({ "message": { "text": "last" } })).await["id"].clone();
    given(&mut carol, &last).await;
    for (user, device) in [("bob", "phone"), ("bob", "tablet"), ("dave", "phone")] {
        given(&mut region.connect(0, user, device, None).await, &last).await;
    }
}

/// Bob owns `#his`, is alone in `#alone`, and has said something in `#team`, whose worker is killed meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_erased_leaves_their_groups_and_their_words_go_as_the_setting_says() {
    for sent in [Sent::Keep, Sent::Remove] {
        let erase = Erase { sent };
        let mut region = Region::start_with(RegionOptions { gateways: 1, erase, ..RegionOptions::default() }).await;
        let mut alice = region.caught_up(0, "alice", "phone").await;
        let mut bob = region.caught_up(0, "bob", "phone").await;
        group(&mut alice, "#team", &["bob"]).await;
        group(&mut bob, "#his", &["alice", "carol"]).await;
        group(&mut bob, "#alone", &[]).await;
        let link = json!({ "group_link": { "id": new_id(), "group": "#his" } });
        let token = bob.ask(4, link).await.expect("a link")["link"]["token"].clone();
        let words = marker("words");
        say(&mut bob, "#team", json!({ "message": { "text": words } })).await;
        until("it to be in a file", async || region.nats.stores(&words).then_some(())).await;
        ask(&mut bob, "bob").await;
        bob.expect("answer").await;
        region.workers.pop().expect("a worker").kill();
        region.workers.push(region.new_worker("first").await);
        gone(&region, "bob").await;
        assert_eq!(region.nats.stores(&words), sent == Sent::Keep, "{sent:?}");
        let info = alice.ask(5, json!({ "group_info": { "group": "#his" } })).await.expect("a group")["group"].clone();
        assert_eq!((&info["members"], &info["role"]), (&json!(2), &json!(GroupRole::Owner.name())), "an heir");
        let info = alice.ask(5, json!({ "group_info": { "group": "#team" } })).await.expect("a group")["group"].clone();
        assert_eq!(info["members"], 1);
        let left = log_of(&region, "team").await.into_iter().filter_map(|entry| {
            let Body::Content(Content::Membership(membership)) = entry.body else { return None };
            Some(membership.change)
        });
        assert_eq!(left.collect::<Vec<_>>(), [Change::Left], "said in the log as everybody's leaving is");
        let mut carol = region.caught_up(0, "carol", "phone").await;
        let join = json!({ "group_join": { "id": new_id(), "token": token } });
        assert_eq!(carol.ask(6, join.clone()).await.expect("a member already")["group"]["role"], "member");
        let mut dave = region.caught_up(0, "dave", "phone").await;
        assert_eq!(dave.ask(6, join).await.expect_err("bob's link")["code"], "not_found");
        assert_eq!(records_of(&region, "bob").await, Vec::<String>::new());
        // The next one of the name is in none of these.
        let mut next = region.caught_up(0, "bob", "phone").await;
        let groups = next.ask(7, json!({ "groups": { "limit": 9 } })).await.expect("groups");
        assert_eq!(groups["groups"]["items"], json!([]));
    }
}

fn user(name: &str) -> UserName {
    name.parse().expect("a name")
}

/// The members of `#team` whose marks are in one record with bob's, and its revision.
async fn marks(region: &Region) -> Option<(GroupMarks, Seq)> {
    let team = region.group("team");
    let subject = subject_of_marks(region);
    let record = records(region).await.load(team.shard, &subject).await.expect("an answer")?;
    Some((GroupMarks::decode(&record.bytes).expect("marks"), record.revision))
}

fn subject_of_marks(region: &Region) -> String {
    let team = region.group("team");
    let group = "team".parse().expect("a name");
    subject::group_marks(&team.region, team.shard, &group, GroupMarks::part(&user("bob")))
}

/// Waits until these devices are in that record.
async fn devices(region: &Region, expected: &[(&str, &str)]) {
    until("the marks", async || {
        let (GroupMarks { members }, _) = marks(region).await?;
        let devices = members.iter().flat_map(|(user, marks)| {
            marks.devices.iter().map(move |known| (user.as_str().to_owned(), known.device.to_string()))
        });
        let devices: Vec<_> = devices.collect();
        let named: Vec<_> = devices.iter().map(|(user, device)| (user.as_str(), device.as_str())).collect();
        (members.len() == expected.iter().map(|(user, _)| user).collect::<BTreeSet<_>>().len() && named == expected)
            .then_some(())
    })
    .await;
}

async fn has(device: &mut Device, order: &Value) {
    device.say(json!({ "ack": { "log": "#team", "delivered": order } })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_erased_person_had_of_a_group_goes_from_among_its_members_marks() {
    let region = Region::start(1).await;
    let beside = (0..)
        .map(|number| format!("user-{number}"))
        .find(|name| GroupMarks::part(&user(name)) == GroupMarks::part(&user("bob")));
    let beside = beside.expect("somebody in bob's part");
    let mut alice = region.caught_up(0, "alice", "phone").await;
    group(&mut alice, "#team", &["bob", &beside]).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut other = region.caught_up(0, &beside, "phone").await;
    let said = say(&mut alice, "#team", json!({ "message": { "text": "hello" } })).await;
    for device in [&mut bob, &mut other] {
        given(device, &said["id"]).await;
        has(device, &said["order"]).await;
    }
    devices(&region, &[("bob", "phone"), (&beside, "phone")]).await;
    let (mut before, _) = marks(&region).await.expect("marks");
    ask(&mut bob, "bob").await;
    gone(&region, "bob").await;
    devices(&region, &[(&beside, "phone")]).await;
    // The next holder of the name keeps what they have, whenever the first one's is erased again.
    let add = json!({ "group_add": { "id": new_id(), "group": "#team", "users": ["bob"] } });
    alice.ask(4, add).await.expect("bob is added");
    let mut next = region.caught_up(0, "bob", "laptop").await;
    let said = say(&mut alice, "#team", json!({ "message": { "text": "welcome" } })).await;
    given(&mut next, &said["id"]).await;
    has(&mut next, &said["order"]).await;
    devices(&region, &[("bob", "laptop"), (&beside, "phone")]).await;
    let (mut both, revision) = marks(&region).await.expect("marks");
    let of = |marks: &mut GroupMarks| marks.members.get_mut(&user("bob")).expect("bob").devices.remove(0);
    let (first, second) = (of(&mut before), of(&mut both));
    both.members.get_mut(&user("bob")).expect("bob").devices = vec![first, second];
    let records = records(&region).await;
    records.save(&subject_of_marks(&region), both.encode(), revision).await.expect("marks");
    let Some((Stage::Done(done), revision)) = stage(&region, "bob").await else { panic!("bob is erased") };
    let mailbox = region.mailbox("bob");
    let again = Erasure { user: user("bob"), stage: Stage::CameBack(done) }.encode();
    let subject = subject::erasure(&mailbox.region, mailbox.shard, &user("bob"));
    let revision = records.save(&subject, again, revision).await.expect("what came back");
    let again = async || stage(&region, "bob").await.filter(|(_, now)| *now > revision).map(drop);
    within(Duration::from_secs(60), "bob to be erased again", again).await;
    devices(&region, &[("bob", "laptop"), (&beside, "phone")]).await;
}
