//! `dunlin doctor`: what is wrong with a region, and how to mend it. It changes nothing.

mod files;

use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use dunlin_gateway::{
    KeySource, Tokens,
    tokens::examine::{self, KeySetReport},
};
use dunlin_nats::{
    ConnectOptions, Connection, Heads, Record, Records, StreamFill, StreamName, inspect, region_settings, stream_ends,
    stream_fill,
};
use dunlin_schema::{
    Millis, RegionName, Shard, limits,
    record::{LEADER, ReaderRecord},
    stream::RegionSettings,
    subject,
};
use dunlin_workers::{Config, media_settings::MediaSettings, reader::ownership::NOBODY};
use nix::sys::resource::{Resource, getrlimit};

use crate::{
    config::{self, ConfigArgs, FileArgs},
    folder::FolderArgs,
    print,
};

/// Open files below which a gateway can't hold what one machine can.
const OPEN_FILES: u64 = 65_536;
/// Entries by which a reader may be behind without a word.
const LAG: u64 = 10_000;
/// How long one question over HTTP may take.
const HTTP_WITHIN: Duration = Duration::from_secs(5);

/// Options of `dunlin doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A gateway's configuration: its region and its key set are looked at. Default: what `dunlin dev` runs
    #[arg(long, value_name = "FILE", conflicts_with = "worker")]
    gateway: Option<std::path::PathBuf>,
    /// A worker's configuration: its region is looked at
    #[arg(long, value_name = "FILE")]
    worker: Option<std::path::PathBuf>,
    #[command(flatten)]
    folder: FolderArgs,
}

/// What is looked at.
struct Patient {
    nats: ConnectOptions,
    region: RegionName,
    /// How the streams should be, where a configuration says.
    wanted: Option<RegionSettings>,
    tokens: Option<Tokens>,
    gateway: Option<String>,
    /// Where files are kept, as far as the configuration says.
    media: MediaSettings,
    /// Where a worker says what it counts.
    worker: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Good(String),
    /// Not wrong yet.
    Doubtful(String, String),
    Wrong(String, String),
}

impl Finding {
    fn line(&self) -> String {
        match self {
            Finding::Good(what) => format!("ok     {what}"),
            Finding::Doubtful(what, mend) => format!("check  {what}: {mend}"),
            Finding::Wrong(what, mend) => format!("WRONG  {what}: {mend}"),
        }
    }
}

/// Looks at everything and prints a line for each finding. The exit code is 0 if nothing is wrong. Errors: the configuration can't be
/// read, or nothing runs that could be looked at.
pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let patient = patient(&args)?;
    let mut wrong = false;
    let mut tell = |finding: Finding| {
        wrong |= matches!(finding, Finding::Wrong(..));
        print(&finding.line())
    };
    tell(open_files())?;
    if let Some(tokens) = &patient.tokens {
        for report in examine::key_sets(tokens).await {
            key_set(&report).into_iter().try_for_each(&mut tell)?;
        }
    }
    if let Some(gateway) = &patient.gateway {
        tell(readiness(gateway).await)?;
    }
    for finding in region(&patient).await {
        tell(finding)?;
    }
    if let Some(finding) = files::store(&patient.media).await {
        tell(finding)?;
    }
    if let Some(worker) = &patient.worker {
        tell(files::circuits(worker).await)?;
    }
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn patient(args: &DoctorArgs) -> anyhow::Result<Patient> {
    let from = |path: &Option<std::path::PathBuf>| ConfigArgs::from(FileArgs { config: path.clone() });
    if args.gateway.is_some() {
        let config = config::gateway(&from(&args.gateway))?;
        let gateway = Some(format!("http://{}", config.internal_listen.unwrap_or(config.listen)));
        return Ok(Patient {
            nats: config.nats,
            region: config.region,
            wanted: None,
            tokens: Some(config.tokens),
            gateway,
            media: MediaSettings { directory: config.media.directory, ..MediaSettings::default() },
            worker: None,
        });
    }
    if args.worker.is_some() {
        let file = config::worker(&from(&args.worker), None)?;
        let wanted = file.streams.map(|streams| streams.settings(file.worker.region.clone()));
        let Config { nats, region, media, listen, .. } = file.worker;
        let worker = listen.map(|listen| format!("http://{listen}"));
        return Ok(Patient { nats, region, wanted, tokens: None, gateway: None, media, worker });
    }
    let folder = args.folder.folder();
    let Config { nats, region, media, .. } = folder.worker()?;
    Ok(Patient {
        nats,
        region,
        wanted: None,
        tokens: Some(Tokens::new(KeySource::File(folder.key_set()))),
        gateway: Some(folder.address()?),
        media,
        worker: None,
    })
}

fn open_files() -> Finding {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft >= OPEN_FILES => Finding::Good(format!("{soft} open files are allowed")),
        Ok((soft, hard)) => Finding::Doubtful(
            format!("{soft} open files are allowed here, and each connection is one"),
            format!(
                "raise the limit where gateways start, to {OPEN_FILES} or more: `ulimit -n` (at most {hard} here), or LimitNOFILE in systemd"
            ),
        ),
        Err(error) => Finding::Doubtful("the limit of open files can't be read".to_owned(), error.to_string()),
    }
}

fn key_set(report: &KeySetReport) -> Vec<Finding> {
    let KeySetReport { source, usable, odd } = report;
    let first = match usable {
        Ok(usable) => Finding::Good(format!("the key set {source} holds {} for tokens", counted(*usable, "key"))),
        Err(why) => Finding::Wrong(
            format!("the key set {source} can't be used"),
            format!("{why}; put it where it can be read from here, or set `tokens.keys`"),
        ),
    };
    let odd = odd.iter().map(|odd| {
        let mend = "the gateway passes it over; have its issuer mend it if its tokens are refused".to_owned();
        Finding::Doubtful(format!("in the key set {source}, {odd}"), mend)
    });
    std::iter::once(first).chain(odd).collect()
}

/// So many of what is called `one` when there is one.
fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

async fn readiness(gateway: &str) -> Finding {
    let what = format!("the gateway at {gateway}");
    match get(&format!("{gateway}/readyz")).await {
        Ok((status, _)) if status.is_success() => Finding::Good(format!("{what} is ready")),
        Ok((_, why)) => {
            let why = why.trim();
            Finding::Wrong(format!("{what} is not ready"), why.strip_prefix("not ready: ").unwrap_or(why).to_owned())
        }
        Err(error) => Finding::Wrong(format!("{what} does not answer"), format!("{error}; is it started?")),
    }
}

async fn get(url: &str) -> Result<(reqwest::StatusCode, String), reqwest::Error> {
    let client = reqwest::Client::builder().timeout(HTTP_WITHIN).build()?;
    let answer = client.get(url).send().await?;
    let status = answer.status();
    Ok((status, answer.text().await?))
}

async fn region(patient: &Patient) -> Vec<Finding> {
    let connection = match Connection::open(&patient.nats, &patient.region).await {
        Ok(connection) => connection,
        Err(error) => return vec![Finding::Wrong("the region can't be looked at".to_owned(), error.to_string())],
    };
    let server = connection.server();
    let mut findings =
        vec![Finding::Good(format!("nats-server {} at {}", server.version, patient.nats.servers.join(", ")))];
    let found = match region_settings(&connection).await {
        Ok(found) => found,
        Err(error) => {
            findings.push(Finding::Wrong(format!("region {}", patient.region), error.to_string()));
            return findings;
        }
    };
    let wanted = patient.wanted.as_ref().unwrap_or(&found);
    let wrong = inspect(&connection, wanted).await;
    if wrong.is_empty() {
        let RegionSettings { region, shards, replicas, sync_always, .. } = &found;
        let (shards, replicas) = (counted((*shards).into(), "shard"), counted((*replicas).into(), "replica"));
        let sync = if *sync_always { "each write is synced" } else { "writes are synced from time to time" };
        findings.push(Finding::Good(format!("region {region}: {shards}, {replicas}, {sync}")));
    }
    findings.extend(wrong.into_iter().map(|error| Finding::Wrong("a stream".to_owned(), error.to_string())));
    if found.replicas == 1 && !found.sync_always {
        findings.push(Finding::Doubtful(
            "a power loss can take what was accepted in the last two minutes, and a reboot costs each device a `gap`"
                .to_owned(),
            "set `sync_interval: always` in nats-server and `streams.sync_always`, or have three replicas".to_owned(),
        ));
    }
    findings.extend(readers(&connection, &found).await);
    findings
}

/// What two looks at a reader's record say, `renewed` apart.
struct Looks {
    shard: Shard,
    before: Option<Record>,
    after: Option<Record>,
    /// This machine's clock at the second look.
    now: Millis,
}

async fn readers(connection: &Connection, settings: &RegionSettings) -> Vec<Finding> {
    let records = Records::new(connection);
    let record = async |shard: Shard| {
        let subject = subject::reader_record(&settings.region, shard, LEADER);
        records.load(shard, &subject).await
    };
    let mut findings = Vec::new();
    let mut before = Vec::new();
    for shard in settings.shards() {
        match record(shard).await {
            Ok(record) => before.push((shard, record)),
            Err(error) => findings.push(Finding::Wrong(format!("shard {shard}"), error.to_string())),
        }
    }
    // A reader renews its record once a second: after twice that every living one has.
    tokio::time::sleep(Duration::from_millis(limits::LEASE_RENEWED_EVERY.0 * 2)).await;
    let heads = Heads::new(connection);
    for (shard, before) in before {
        let after = match record(shard).await {
            Ok(record) => record,
            Err(error) => {
                findings.push(Finding::Wrong(format!("shard {shard}"), error.to_string()));
                continue;
            }
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let looks = Looks { shard, before, after, now };
        let log = StreamName::log(&settings.region, shard);
        let last = stream_ends(connection, &log).await.ok().map(|ends| ends.last.0);
        findings.extend(reader(&looks, last));
        if let Ok(fill) = stream_fill(connection, &log).await {
            findings.extend(full(shard, fill));
        }
        if let Err(error) = heads.ask(shard, Vec::new()).await {
            findings.push(Finding::Wrong(
                format!("shard {shard}: {error}"),
                "see the worker's log; without answers gateways poll, which is slow".to_owned(),
            ));
        }
    }
    findings
}

/// What is to be said of a shard's reader. `last` is the last entry of its log.
fn reader(looks: &Looks, last: Option<u64>) -> Vec<Finding> {
    let shard = looks.shard;
    let start = "start a worker with the role deliver; where one runs, its log and nats-server's say why it can't: after a failed write, as on \
                 a full disk, a stream takes no more until nats-server is started again"
        .to_owned();
    let Some(record) = &looks.after else {
        return vec![Finding::Wrong(format!("shard {shard} never had a deliver reader, so nothing comes live"), start)];
    };
    let decoded = match ReaderRecord::decode(&record.bytes) {
        Ok(decoded) => decoded,
        Err(error) => {
            return vec![Finding::Wrong(
                format!("shard {shard}: the reader's record can't be read"),
                error.to_string(),
            )];
        }
    };
    if decoded.owner == NOBODY {
        return vec![Finding::Wrong(
            format!("shard {shard} has no deliver reader: the last one has stopped, and no other took over"),
            start,
        )];
    }
    if looks.before.as_ref().is_some_and(|before| before.revision == record.revision) {
        return vec![Finding::Wrong(
            format!("shard {shard} has no deliver reader: {} has not renewed its record", decoded.owner),
            start,
        )];
    }
    let mut findings = Vec::new();
    let lag = last.map_or(0, |last| last.saturating_sub(decoded.position.seq.0));
    findings.push(if lag > LAG {
        Finding::Wrong(
            format!("shard {shard}: its deliver reader {} is {lag} entries behind", decoded.owner),
            "give its worker more CPU, or find what holds it up in its log".to_owned(),
        )
    } else {
        Finding::Good(format!("shard {shard} is read by {}, {lag} entries behind", decoded.owner))
    });
    findings.extend(clock(record.stamp.millis(), looks.now));
    findings
}

/// What is to be said of a shard whose log has little room left, or none.
fn full(shard: Shard, StreamFill { bytes, most }: StreamFill) -> Option<Finding> {
    let most = most?;
    let what = format!("shard {shard}: its log holds {bytes} of {most} bytes");
    let mend = "raise the stream's max_bytes with the `nats` tool, or wait until old entries go; who sends to this shard's users is refused when it is full"
        .to_owned();
    // In thousandths; near its bound it still takes short messages, and refuses long ones.
    match u128::from(bytes) * 1_000 / u128::from(most.max(1)) {
        0..800 => None,
        800..980 => Some(Finding::Doubtful(what, mend)),
        _ => Some(Finding::Wrong(what, mend)),
    }
}

/// The record was written within the last renewals, by the server's clock; what does not fit that is the difference of the clocks.
fn clock(stamp: Millis, now: Millis) -> Option<Finding> {
    let ahead = now.since(stamp.plus(Millis(limits::LEASE_RENEWED_EVERY.0 * 3)));
    let behind = stamp.since(now);
    let (most, how) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let what = format!("this machine's clock is about {} ms {how} nats-server's", most.0);
    let mend =
        format!("run NTP on both; ids more than {} s ahead of a gateway are refused", limits::CLOCK_SKEW.0 / 1_000);
    match most.0 {
        0..1_000 => None,
        1_000..10_000 => Some(Finding::Doubtful(what, mend)),
        _ => Some(Finding::Wrong(what, mend)),
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Position, Seq, StreamTime};

    use super::*;

    const NOW: Millis = Millis(1_763_683_200_000);

    fn record(revision: u64, seq: u64, stamp: Millis) -> Option<Record> {
        record_of("w1", revision, seq, stamp)
    }

    fn record_of(owner: &str, revision: u64, seq: u64, stamp: Millis) -> Option<Record> {
        let position = Position { seq: Seq(seq), ..Position::default() };
        let bytes =
            ReaderRecord { owner: owner.to_owned(), position, boot: "b".to_owned(), begins_after: None }.encode();
        Some(Record { bytes: bytes.into(), revision: Seq(revision), stamp: StreamTime::from(stamp) })
    }

    #[test]
    fn a_reader_is_judged_by_two_looks_and_the_logs_end() {
        let cases = [
            ("never had", None, None, Some(5)),
            ("the last one has stopped", record_of(NOBODY, 7, 5, NOW), record_of(NOBODY, 7, 5, NOW), Some(5)),
            ("the last one has stopped", record(7, 5, NOW), record_of(NOBODY, 8, 5, NOW), Some(5)),
            ("w1 has not renewed", record(7, 5, NOW), record(7, 5, NOW), Some(5)),
            ("20000 entries behind", record(7, 5, NOW), record(8, 5, NOW), Some(20_005)),
            ("ok     shard 3 is read by w1, 0 entries behind", record(7, 5, NOW), record(8, 5, NOW), Some(5)),
            ("ok     shard 3 is read by w1, 0 entries behind", None, record(1, 5, NOW), None),
        ];
        for (meant, before, after, last) in cases {
            let findings = reader(&Looks { shard: Shard(3), before, after, now: NOW }, last);
            let lines: Vec<String> = findings.iter().map(Finding::line).collect();
            assert!(lines.len() == 1 && lines[0].contains(meant), "{lines:?} without {meant:?}");
        }
        let bad = Some(Record { bytes: vec![1, 2].into(), revision: Seq(2), stamp: StreamTime(0) });
        let findings = reader(&Looks { shard: Shard(3), before: None, after: bad, now: NOW }, None);
        assert!(matches!(findings.as_slice(), [Finding::Wrong(..)]));
    }

    #[test]
    fn a_full_shard_is_told_to_the_operator() {
        for (bytes, most, begins) in [
            (799, Some(1_000), None),
            (800, Some(1_000), Some("check  shard 3: its log holds 800 of 1000 bytes")),
            (980, Some(1_000), Some("WRONG  shard 3: its log holds 980 of 1000 bytes")),
            (980, None, None),
        ] {
            let line = full(Shard(3), StreamFill { bytes, most }).map(|finding| finding.line());
            assert_eq!(line.is_some(), begins.is_some());
            assert!(line.unwrap_or_default().starts_with(begins.unwrap_or_default()), "{bytes} of {most:?}");
        }
    }

    #[test]
    fn one_is_no_plural() {
        let lines = [0, 1, 2].map(|count| counted(count, "key"));
        assert_eq!(lines, ["0 keys", "1 key", "2 keys"]);
    }

    #[test]
    fn clocks_are_compared_with_some_patience() {
        let verdict = |stamp| clock(stamp, NOW).map(|finding| finding.line());
        assert_eq!(verdict(NOW.minus(Millis(2_900))), None, "within three renewals");
        assert_eq!(verdict(NOW.plus(Millis(900))), None);
        assert!(
            verdict(NOW.plus(Millis(2_000)))
                .unwrap()
                .starts_with("check  this machine's clock is about 2000 ms behind")
        );
        assert!(
            verdict(NOW.minus(Millis(60_000)))
                .unwrap()
                .starts_with("WRONG  this machine's clock is about 57000 ms ahead")
        );
    }
}
