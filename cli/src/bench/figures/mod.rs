//! What is measured, one file for each run that gives figures.

mod absorbed;
mod catch_up;
mod connected;
mod exchanged;
mod groups;
mod listed;
mod media;
mod most;
mod offline;
mod presence;
mod receipts;
mod restarted;
mod storm;

use std::time::Duration;

use super::{generator, report::Row};

/// A figure by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Figure {
    /// Memory of an idle connection.
    Memory,
    /// CPU of idle connections.
    Idle,
    /// CPU of a connect.
    Connect,
    /// CPU of a durable message.
    Durable,
    /// Latency of a durable message.
    Latency,
    /// Durable messages a second.
    Most,
    /// Delivered receipts: when they come, and what they cost.
    Receipts,
    /// Acknowledgements that a receipts worker absorbs.
    Absorbed,
    /// People who come back to entries that waited, after a restart.
    CatchUp,
    /// Durable messages right after a single server's restart.
    Restarted,
    /// Everybody comes back at once.
    Storm,
    /// Broker memory of a user who is offline.
    Offline,
    /// Somebody's conversations, listed.
    Conversations,
    /// Questions who is there, a second.
    Presence,
    /// One message to the members of a large group.
    FanOut,
    /// Messages a second to small groups.
    SmallGroups,
    /// A message to a small group whose members are away.
    GroupAway,
    /// Memory and return of a device that follows many groups.
    Followed,
    /// Receipts of a large group.
    GroupReceipts,
    /// How fast files are uploaded and downloaded.
    Files,
    /// CPU of a picture's preview.
    Preview,
    /// Memory of many uploads at once.
    Uploads,
    /// Latency of a durable message beside uploads.
    BesideUploads,
    /// The floors alone: to see what the machine gives before it is compared with anything.
    Floors,
}

/// How much of everything.
struct Scale {
    /// Idle connections, and people of a storm.
    connections: usize,
    /// People a second who connect.
    connects: u32,
    /// How long connections are idle.
    idle: Duration,
    /// People who write to each other.
    writers: usize,
    /// People of whom each two write to each other, and acknowledge.
    partners: usize,
    warm: Duration,
    measured: Duration,
    /// Acknowledgements of each of a thousand devices.
    acknowledgements: u32,
    /// People who return to what waits for them.
    returning: usize,
    /// Entries that wait for each.
    waiting: u32,
    /// Messages a second with which mailboxes are filled.
    fill: u32,
    /// Users who are offline.
    offline: usize,
    /// For so long nats-server's memory must not have fallen: longer than Go's collector waits in a process with little to do (2 minutes,
    /// the duplicate window likewise). Neither that window nor the buffers of the newest blocks are kept for who is offline.
    settled: Duration,
    /// Conversations of somebody who has them listed.
    conversations: usize,
    /// How often that is done.
    lists: usize,
    /// Members of large groups.
    members: [usize; 2],
    /// Small groups at once.
    small_groups: usize,
    /// Groups whose members are away.
    away: usize,
    /// Connections that follow many groups, and how many.
    followers: usize,
    followed: usize,
    /// Members who acknowledge.
    acknowledging: usize,
    /// Bytes of a file, and how often it is moved.
    file: usize,
    moves: usize,
    /// Uploads at once, and bytes of each.
    uploads: usize,
    upload: usize,
}

impl Scale {
    fn of(quick: bool) -> Scale {
        let seconds = Duration::from_secs;
        if quick {
            Scale {
                connections: 1_000,
                connects: 1_000,
                idle: seconds(10),
                writers: 200,
                partners: 20,
                warm: seconds(1),
                measured: seconds(3),
                acknowledgements: 20,
                returning: 100,
                waiting: 20,
                fill: 500,
                offline: 10_000,
                settled: seconds(5),
                conversations: 100,
                lists: 100,
                members: [200, 50],
                small_groups: 4,
                away: 10,
                followers: 20,
                followed: 10,
                acknowledging: 200,
                file: 8 << 20,
                moves: 4,
                uploads: 20,
                upload: 16 << 20,
            }
        } else {
            Scale {
                connections: 10_000,
                connects: 1_000,
                idle: seconds(50),
                writers: 2_000,
                partners: 200,
                warm: seconds(2),
                measured: seconds(10),
                acknowledgements: 200,
                returning: 1_000,
                waiting: 100,
                fill: 5_000,
                offline: 100_000,
                settled: seconds(150),
                conversations: 1_000,
                lists: 1_000,
                members: [5_000, 1_000],
                small_groups: 32,
                away: 100,
                followers: 400,
                followed: 100,
                acknowledging: 10_000,
                file: 64 << 20,
                moves: 20,
                uploads: 100,
                upload: 100 << 20,
            }
        }
    }
}

/// Measures `only` these figures, or all, one after the other.
pub(super) fn run(only: &[Figure], quick: bool) -> anyhow::Result<Vec<Row>> {
    let scale = Scale::of(quick);
    generator::open_many_files(scale.connections as u64 + 500)?;
    let wanted = |figures: &[Figure]| only.is_empty() || only.iter().any(|figure| figures.contains(figure));
    let mut rows = Vec::new();
    if wanted(&[Figure::Memory, Figure::Idle, Figure::Connect]) {
        rows.extend(connected::run(&scale)?);
    }
    if wanted(&[Figure::Durable, Figure::Latency]) {
        rows.extend(exchanged::run(&scale)?);
    }
    if wanted(&[Figure::Most]) {
        rows.push(most::run(&scale)?);
    }
    if wanted(&[Figure::Receipts]) {
        rows.extend(receipts::run(&scale)?);
    }
    if wanted(&[Figure::Absorbed]) {
        rows.push(absorbed::run(&scale)?);
    }
    if wanted(&[Figure::CatchUp]) {
        rows.extend(catch_up::run(&scale)?);
    }
    if wanted(&[Figure::Restarted]) {
        rows.extend(restarted::run(&scale)?);
    }
    if wanted(&[Figure::Storm]) {
        rows.push(storm::run(&scale)?);
    }
    if wanted(&[Figure::Offline]) {
        rows.push(offline::run(&scale)?);
    }
    if wanted(&[Figure::Conversations]) {
        rows.push(listed::run(&scale)?);
    }
    if wanted(&[Figure::Presence]) {
        rows.push(presence::run(&scale)?);
    }
    if wanted(&[Figure::FanOut]) {
        rows.extend(groups::fan_out(&scale)?);
    }
    if wanted(&[Figure::SmallGroups]) {
        rows.extend(groups::online(&scale)?);
    }
    if wanted(&[Figure::GroupAway]) {
        rows.extend(groups::away(&scale)?);
    }
    if wanted(&[Figure::Followed]) {
        rows.extend(groups::followed(&scale)?);
    }
    if wanted(&[Figure::GroupReceipts]) {
        rows.push(groups::acknowledged(&scale)?);
    }
    rows.extend(media::run(&scale, wanted)?);
    if only.contains(&Figure::Floors) {
        rows.extend(connected::floors(&scale)?);
        rows.extend(exchanged::floors(&scale)?);
    }
    Ok(rows)
}

/// What is going on, for whoever waits for the table.
fn say(what: &str) {
    eprintln!("bench: {what}");
}

fn micros(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// How many times the mean of both floors `ours` is.
fn ratio(ours: Duration, floors: [Duration; 2]) -> f64 {
    ours.as_secs_f64() / ((floors[0] + floors[1]).as_secs_f64() / 2.0)
}
