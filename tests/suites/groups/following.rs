//! All members are given one order, whichever gateway they are at, and whoever joins meanwhile.

use std::time::Duration;

use dunlin_tests::{
    region::Region,
    team::{Manner, Team},
    wait::within,
};
use serde_json::json;

use super::{done, made};

const PATIENCE: Duration = Duration::from_secs(60);

async fn talked(team: &Team, more: usize) {
    let before = team.accepted();
    within(PATIENCE, "more to be said", async || (team.accepted() >= before + more).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_who_talk_at_once_are_given_one_order() {
    for count in [3, 40] {
        let region = Region::start(2).await;
        let names: Vec<String> = (0..count).map(|number| format!("user-{number}")).collect();
        let mut owner = region.caught_up(0, "owner", "phone").await;
        made(&mut owner, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut team = Team::at(vec![region.gateway(0), region.gateway(1)]);
        for (number, name) in names.iter().enumerate() {
            let manner = [Manner::Talks, Manner::ComesAndGoes, Manner::Slow][number.min(number % 9) % 3];
            team.begin(name, region.token(name), manner);
        }
        talked(&team, 100).await;
        team.finish(&region.settings().region, async || region.stored_in(&region.group("team")).await).await;
    }
}

/// Members who are there, away, slow and new: each is given what is said from their joining on, and nothing of before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_grows_while_its_members_talk() {
    let region = Region::start(2).await;
    let name = |number: usize| format!("user-{number}");
    let mut owner = region.caught_up(0, "owner", "phone").await;
    let first: Vec<String> = (0..24).map(name).collect();
    made(&mut owner, &first.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut team = Team::at(vec![region.gateway(0), region.gateway(1)]);
    let begin = |team: &mut Team, number: usize| {
        let manner = match number % 8 {
            0 | 4 => Manner::Talks,
            1 => Manner::Slow,
            _ => Manner::ComesAndGoes,
        };
        team.begin(&name(number), region.token(&name(number)), manner);
    };
    (0..24).for_each(|number| begin(&mut team, number));
    for number in 24..59 {
        // Some are there before they are added, some come later.
        if number % 2 == 0 {
            begin(&mut team, number);
        }
        done(&mut owner, "group_add", json!({ "users": [name(number)] })).await;
        talked(&team, 3).await;
        if number % 2 == 1 {
            begin(&mut team, number);
        }
    }
    talked(&team, 50).await;
    team.finish(&region.settings().region, async || region.stored_in(&region.group("team")).await).await;
}

/// Who comes and goes as a member is given the pieces, and nothing between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_removed_and_added_again_while_others_talk() {
    let region = Region::start(2).await;
    let names: Vec<String> = (0..8).map(|number| format!("user-{number}")).collect();
    let mut owner = region.caught_up(0, "owner", "phone").await;
    made(&mut owner, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut team = Team::at(vec![region.gateway(0), region.gateway(1)]);
    for (number, name) in names.iter().enumerate() {
        let manner = [Manner::Talks, Manner::ComesAndGoes, Manner::Slow, Manner::Talks][number % 4];
        team.begin(name, region.token(name), manner);
    }
    for round in 0..24 {
        let users = json!({ "users": [names[round % 6]] });
        talked(&team, 3).await;
        done(&mut owner, "group_remove", users.clone()).await;
        talked(&team, round % 4).await;
        done(&mut owner, "group_add", users).await;
    }
    talked(&team, 20).await;
    team.finish(&region.settings().region, async || region.stored_in(&region.group("team")).await).await;
}
