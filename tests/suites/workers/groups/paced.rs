//! How much may be said in a group.

use dunlin_schema::group::{GroupAnswer, GroupRefusal, GroupRequest};
use dunlin_tests::wait::until;
use dunlin_workers::{Boot, Config, Readiness, deliver, group_limits::GroupLimits, groups};

use super::{Team, add, creation, fresh_id, message, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_refused_with_a_time_and_stored_once_that_is_over() {
    let team = Team::new().await;
    let limits = GroupLimits { messages_per_second: 1, messages_burst: 3 };
    let roles = vec![deliver::ROLE, groups::ROLE];
    let config = Config { roles, boot: Boot::Given("boot".to_owned()), groups: limits, ..Config::default() };
    let mut node = team.bench.worker_with(config).await;
    node.wait("a working worker", Readiness::is_all_working).await;
    team.stored("alice", creation(&["bob"])).await;
    let said: Vec<GroupRequest> = (0..3).map(|_| request("bob", fresh_id(), message("hi"))).collect();
    let mut answers = Vec::new();
    for request in &said {
        answers.push(team.asks(request).await);
    }
    assert!(answers.iter().all(|answer| matches!(answer, GroupAnswer::Stored { .. })), "{answers:?}");
    let more = request("alice", fresh_id(), message("more"));
    let GroupAnswer::Refused(GroupRefusal::TooFast(after)) = team.asks(&more).await else { panic!("more than it may") };
    assert!((1..=1_000).contains(&after.0), "{after:?}");
    // What is stored is told again, and who is in it changes, whatever is said.
    assert_eq!(team.asks(&said[0]).await, answers[0]);
    team.stored("alice", add(&["carol"])).await;
    until("it to be let in", async || matches!(team.asks(&more).await, GroupAnswer::Stored { .. }).then_some(())).await;
}
