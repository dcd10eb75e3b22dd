//! A takeover of a reader where three servers store the log: nothing was lost, so no epoch begins and nobody is told of a gap.

use dunlin_schema::{CursorText, Epoch};
use dunlin_tests::{history::Application, region::Region};

use super::kill_leader;

fn epoch(region: &Region, cursor: &str) -> Epoch {
    let cursor: CursorText = cursor.parse().expect("a cursor");
    cursor.open(&region.mailbox("carl")).expect("carl's cursor").position.epoch
}

/// Each standby runs on another machine than the reader before it, so it sees another boot. The second time the log's leader dies too; the
/// third time the reader lives, and the leader alone dies.
pub(super) async fn readers_die(region: &mut Region) {
    let (_gateway, address) = region.new_gateway(region.url()).await;
    let mut alice = region.caught_up_at(address, "alice", "tablet").await;
    let mut carl = region.caught_up_at(address, "carl", "phone").await;
    let mut application = Application::default();
    let mut sent = vec![alice.send_until_accepted("carl", "before").await];
    application.take(&carl.next().await.expect("an open socket"));
    let away = application.cursor.clone().expect("a cursor");
    let begun = epoch(region, &away);
    assert!(begun > Epoch(0), "the first reader of the log has begun its first epoch");
    for (boot, leader_dies) in [("second", false), ("third", true)] {
        let standby = region.new_worker(boot).await;
        region.workers.push(standby);
        region.workers.remove(0).kill();
        let killed = if leader_dies { Some(kill_leader(region).await) } else { None };
        for number in 0..10 {
            sent.push(alice.send_until_accepted("carl", &format!("{boot} {number}")).await);
        }
        while application.ids.len() < sent.len() {
            application.take(&carl.next().await.expect("an open socket"));
        }
        assert_eq!(epoch(region, application.cursor.as_deref().expect("a cursor")), begun);
        if let Some(killed) = killed {
            region.server(&killed).restart();
        }
    }
    assert_eq!((&application.ids, application.gaps.len()), (&sent, 0), "once, in order");
    // And whoever was away meanwhile is told of none either.
    let mut laptop = dunlin_tests::device::Device::hello(address, &region.token("carl"), "laptop", Some(&away)).await;
    assert_eq!(laptop.catch_up().await.0.len(), sent.len() - 1);
}
