//! The steps in a place of memory, many at once, stopped anywhere: no file goes under a message, and none stays for ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use dunlin_schema::{
    Address, MediaId, MessageId, Millis, RegionName, Sender, Seq, UserName, limits,
    media::{
        FileName, MediaFacts, Sha256,
        record::{MediaRecord, MediaState, Promise, Reference, Usable},
        service::{MediaAnswer, MediaRefusal, Part},
    },
};
use parking_lot::Mutex;
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};

use super::{
    core::{counted, is_of_a_file, kept, referred, released},
    place::{Finished, Found, Looked, Place, Saved, Trouble},
    steps::Steps,
};

const QUOTA: u64 = 100 * limits::MEDIA_COUNTED;
const TELLS: u8 = 100;
const HOUR: Millis = Millis(3_600_000);

/// What is stored somewhere.
#[derive(Default)]
struct Kept {
    now: Millis,
    revision: u64,
    media: BTreeMap<MediaId, (MediaRecord, Seq, Millis)>,
    same: BTreeMap<Sha256, (MediaId, Seq)>,
    uploaded: BTreeMap<(UserName, MediaId), (u64, Millis)>,
    /// How often something was looked at: now and then a picture can't be made for want of memory.
    looks: u64,
    /// Uploads that are whole, and objects, with the bytes that they have.
    uploads: BTreeMap<MediaId, Sha256>,
    objects: BTreeMap<MediaId, Sha256>,
}

#[derive(Default)]
struct World(Mutex<Kept>);

/// Lets others go first: each question is a moment at which anything may have happened.
struct Turn(bool);

impl Future for Turn {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl World {
    async fn kept<T>(&self, take: impl FnOnce(&mut Kept) -> T) -> T {
        Turn(false).await;
        let mut kept = self.0.lock();
        let now = kept.now;
        kept.media.retain(|_, (_, _, until)| now < *until);
        kept.uploaded.retain(|_, (_, until)| now < *until);
        take(&mut kept)
    }

    fn now(&self) -> Millis {
        self.0.lock().now
    }
}

impl Kept {
    fn next(&mut self) -> Seq {
        self.revision += 1;
        Seq(self.revision)
    }
}

impl Place for World {
    async fn media(&self, media: MediaId) -> Result<Found<MediaRecord>, Trouble> {
        Ok(self.kept(|kept| kept.media.get(&media).map(|(record, revision, _)| (record.clone(), *revision))).await)
    }

    async fn save_media(
        &self,
        media: MediaId,
        record: &MediaRecord,
        lasts: Millis,
        expect: Seq,
    ) -> Result<Saved, Trouble> {
        let save = |kept: &mut Kept| {
            if kept.media.get(&media).map_or(Seq(0), |(_, revision, _)| *revision) != expect {
                return Saved::Conflict;
            }
            let (revision, until) = (kept.next(), kept.now.plus(lasts));
            kept.media.insert(media, (record.clone(), revision, until));
            Saved::Yes
        };
        Ok(self.kept(save).await)
    }

    async fn forget_media(&self, media: MediaId, revision: Seq) -> Result<bool, Trouble> {
        let is_it = |kept: &Kept| kept.media.get(&media).is_some_and(|(_, is, _)| *is == revision);
        Ok(self.kept(|kept| is_it(kept) && kept.media.remove(&media).is_some()).await)
    }

    async fn same(&self, sha256: Sha256) -> Result<Found<MediaId>, Trouble> {
        Ok(self.kept(|kept| kept.same.get(&sha256).copied()).await)
    }

    async fn save_same(&self, sha256: Sha256, media: MediaId, expect: Seq) -> Result<Saved, Trouble> {
        let save = |kept: &mut Kept| {
            if kept.same.get(&sha256).map_or(Seq(0), |(_, revision)| *revision) != expect {
                return Saved::Conflict;
            }
            let revision = kept.next();
            kept.same.insert(sha256, (media, revision));
            Saved::Yes
        };
        Ok(self.kept(save).await)
    }

    async fn used(&self, user: &UserName) -> Result<u64, Trouble> {
        let of = |kept: &mut Kept| {
            let own = kept.uploaded.iter().filter(|((whose, _), _)| whose == user);
            own.map(|(_, (size, _))| counted(*size)).sum()
        };
        Ok(self.kept(of).await)
    }

    async fn has_uploaded(&self, user: &UserName, media: MediaId) -> Result<bool, Trouble> {
        Ok(self.kept(|kept| kept.uploaded.contains_key(&(user.clone(), media))).await)
    }

    async fn save_uploaded(&self, user: &UserName, media: MediaId, size: u64, until: Millis) -> Result<(), Trouble> {
        self.kept(|kept| {
            let stored = kept.uploaded.entry((user.clone(), media)).or_insert((size, until));
            stored.1 = stored.1.max(until);
        })
        .await;
        Ok(())
    }

    async fn cut_uploaded(&self, user: &UserName, media: MediaId, until: Millis) -> Result<(), Trouble> {
        self.kept(|kept| kept.uploaded.get_mut(&(user.clone(), media)).map(|stored| stored.1 = until)).await;
        Ok(())
    }

    async fn forget_uploaded(&self, user: &UserName, media: MediaId) -> Result<(), Trouble> {
        self.kept(|kept| kept.uploaded.remove(&(user.clone(), media))).await;
        Ok(())
    }

    async fn missing(&self, media: MediaId, size: u64) -> Result<Vec<Part>, Trouble> {
        let is_there = self.kept(|kept| kept.uploads.contains_key(&media)).await;
        let part = Part { number: 1, from: 0, size, to: None };
        Ok(if is_there { Vec::new() } else { vec![part] })
    }

    async fn finish(&self, media: MediaId, file: &Promise) -> Result<Finished, Trouble> {
        let finish = |kept: &mut Kept| {
            if let Some(bytes) = kept.uploads.remove(&media) {
                kept.objects.insert(media, bytes);
            }
            kept.objects.get(&media).copied()
        };
        let found = self.kept(finish).await;
        let is_unwell = self.kept(|kept| {
            kept.looks += 1;
            kept.looks % 7 == 6
        });
        if is_unwell.await && found.is_some() {
            return Ok(Looked::Differs(String::new()).into());
        }
        // It takes a while to look at it.
        Turn(false).await;
        Ok(match found {
            None => Looked::Missing(1).into(),
            Some(bytes) if bytes != file.sha256 => Looked::Differs("other bytes".to_owned()).into(),
            Some(bytes) => match without_metadata(bytes) {
                None => Looked::Same(Box::new(MediaFacts { size: file.size, ..MediaFacts::default() })).into(),
                Some(sha256) => Finished::Tells { file: Promise { sha256, ..file.clone() }, bytes: Bytes::new() },
            },
        })
    }

    async fn put(&self, media: MediaId, file: &Promise, _: Bytes) -> Result<Looked, Trouble> {
        self.kept(|kept| kept.objects.insert(media, file.sha256)).await;
        Ok(Looked::Same(Box::new(MediaFacts { size: file.size, ..MediaFacts::default() })))
    }

    async fn proof(&self, media: MediaId, challenge: [u8; 16]) -> Result<Option<Sha256>, Trouble> {
        Ok(self.kept(|kept| kept.objects.get(&media).map(|bytes| proof(*bytes, challenge))).await)
    }

    fn url(&self, _: MediaId, _: &MediaFacts, _: bool, _: Option<&FileName>) -> Option<String> {
        None
    }

    async fn remove(&self, media: MediaId) -> Result<(), Trouble> {
        self.kept(|kept| kept.uploads.remove(&media)).await;
        self.kept(|kept| kept.objects.remove(&media)).await;
        Ok(())
    }
}

/// Some pictures tell something beside their pixels: the first byte says so.
fn without_metadata(bytes: Sha256) -> Option<Sha256> {
    (bytes.0[0] >= TELLS).then(|| Sha256(bytes.0.map(|byte| byte - TELLS)))
}

fn proof(bytes: Sha256, challenge: [u8; 16]) -> Sha256 {
    Sha256(std::array::from_fn(|at| bytes.0[at] ^ challenge[at % 16]))
}

fn user(number: usize) -> UserName {
    UserName::new(["alice", "bob", "carol"][number]).unwrap()
}

fn sender(number: usize) -> Sender {
    Sender { user: user(number), region: RegionName::new("local").unwrap() }
}

fn bob() -> Address {
    "bob@local".parse().unwrap()
}

fn promise(content: u8) -> Promise {
    Promise { size: 10, kind: "text/plain".parse().unwrap(), sha256: Sha256([content; 32]) }
}

/// A message that is stored.
#[derive(Clone, Debug)]
struct Message {
    from: usize,
    id: MessageId,
    to: Address,
    media: MediaId,
    /// Until when it may be there.
    until: Millis,
}

/// What has come of it, as whoever does it knows.
#[derive(Default)]
struct Known {
    /// Files that somebody may send.
    usable: Mutex<Vec<(usize, MediaId, u8)>>,
    messages: Mutex<Vec<Message>>,
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Uploads something, or shows that it is here, as clients do.
async fn upload(world: &World, known: &Known, who: usize, content: u8, random: u128) {
    let steps = || Steps { place: world, now: world.now(), quota: QUOTA };
    let (by, file) = (user(who), promise(content));
    let begun = steps().begin(&by, &file, random, [content; 16]).await.unwrap();
    let MediaAnswer::Begun { media, parts, challenge, .. } = begun else { return };
    if !parts.is_empty() {
        world.kept(|kept| kept.media.contains_key(&media).then(|| kept.uploads.insert(media, file.sha256))).await;
    }
    let proof = challenge.map(|challenge| proof(file.sha256, challenge));
    for again in 0..4 {
        // No id is given twice.
        let random = random.rotate_left(64).wrapping_add(again << 8);
        match steps().complete(&by, media, proof, random).await.unwrap() {
            MediaAnswer::Usable { media, .. } => return known.usable.lock().push((who, media, content)),
            MediaAnswer::Refused(MediaRefusal::Missing(_)) => {
                world.kept(|kept| kept.uploads.insert(media, file.sha256)).await;
            }
            MediaAnswer::Refused(MediaRefusal::Busy) => {}
            MediaAnswer::Refused(_) | MediaAnswer::Done | MediaAnswer::Begun { .. } => return,
        }
    }
}

/// Sends a message with a file: it is stored only once its lease is raised.
async fn send(world: &World, known: &Known, (who, media): (usize, MediaId), random: u128) {
    let now = world.now();
    let id = MessageId::from_parts(now, random);
    let until = now.plus(limits::RETENTION);
    let steps = Steps { place: world, now, quota: QUOTA };
    let lease = until.plus(limits::MEDIA_SLACK);
    // Some send one id to two people.
    for to in [bob(), "dave@local".parse().unwrap()].into_iter().take(1 + (random % 2) as usize) {
        let answer = steps.refer(&(sender(who), id, to.clone()), media, lease, false).await.unwrap();
        if let MediaAnswer::Usable { media, .. } = answer {
            known.messages.lock().push(Message { from: who, id, to, media, until });
        }
    }
}

/// Takes a message out, and then says so.
async fn delete(world: &World, known: &Known, message: Message) {
    known.messages.lock().retain(|other| (other.id, &other.to) != (message.id, &message.to));
    let steps = Steps { place: world, now: world.now(), quota: QUOTA };
    let reference = Reference { from: sender(message.from), id: message.id, to: message.to };
    steps.release(&reference, message.media).await.unwrap();
}

/// Takes out of the store what no record speaks of.
async fn sweep(world: &World) {
    let there: BTreeSet<MediaId> =
        world.kept(|kept| kept.objects.keys().chain(kept.uploads.keys()).copied().collect()).await;
    for media in there {
        let record = world.media(media).await.unwrap().map(|(record, _)| record);
        if !is_of_a_file(record.as_ref()) {
            world.remove(media).await.unwrap();
        }
    }
}

/// Every message that is there has its file.
fn holds(world: &World, known: &Known) {
    let kept = world.0.lock();
    for message in known.messages.lock().iter().filter(|message| kept.now < message.until) {
        let record = kept.media.get(&message.media).filter(|(_, _, until)| kept.now < *until);
        let is_usable = record.is_some_and(|(record, _, _)| matches!(record.state, MediaState::Usable(_)));
        assert!(is_usable && kept.objects.contains_key(&message.media), "{message:?}: {record:?}");
    }
}

fn poll(task: &mut Task<'_>) -> bool {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Many people at once, for some weeks.
fn play(seed: u64) {
    let (world, known) = (World::default(), Known::default());
    world.0.lock().now = Millis(1_700_000_000_000);
    let mut random = StdRng::seed_from_u64(seed);
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for _ in 0..400 {
        match random.random_range(0..100) {
            0..8 => {
                let (who, content, id) = (random.random_range(0..3), random.random_range(0..3), random.random());
                let content = if random.random_bool(0.3) { content + TELLS } else { content };
                tasks.push(Box::pin(upload(&world, &known, who, content, id)));
            }
            8..16 => {
                let usable = known.usable.lock().iter().copied().choose(&mut random);
                if let Some((who, media, _)) = usable {
                    tasks.push(Box::pin(send(&world, &known, (who, media), random.random())));
                }
            }
            16..20 => {
                let message = known.messages.lock().iter().cloned().choose(&mut random);
                if let Some(message) = message {
                    tasks.push(Box::pin(delete(&world, &known, message)));
                }
            }
            20..23 => tasks.push(Box::pin(sweep(&world))),
            // A worker is killed.
            23..25 if !tasks.is_empty() => drop(tasks.swap_remove(random.random_range(0..tasks.len()))),
            25..28 => {
                // Nothing that is under way takes longer than its asker waits.
                while !tasks.is_empty() {
                    tasks.retain_mut(|task| !poll(task));
                }
                let passed = HOUR.0 * random.random_range(1..300);
                world.0.lock().now.0 += passed;
            }
            _ => {}
        }
        for _ in 0..random.random_range(0..6) {
            if !tasks.is_empty() {
                let at = random.random_range(0..tasks.len());
                if poll(&mut tasks[at]) {
                    drop(tasks.swap_remove(at));
                }
            }
        }
        holds(&world, &known);
    }
    drop(tasks);
    // Nobody says anything for so long that all leases end.
    world.0.lock().now.0 += limits::RETENTION.0 + limits::MEDIA_SLACK.0 + 2 * limits::MEDIA_UPLOADED_FOR.0;
    let mut last: Task<'_> = Box::pin(sweep(&world));
    while !poll(&mut last) {}
    drop(last);
    let kept = world.0.lock();
    assert!(kept.objects.is_empty() && kept.uploads.is_empty(), "{:?} stay for ever", kept.objects);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_file_goes_under_a_message_and_none_stays_for_ever(seed: u64) {
        play(seed);
    }
}

#[test]
fn two_who_upload_the_same_at_the_same_moment_store_it_once() {
    for seed in 0..500 {
        let (world, known) = (World::default(), Known::default());
        world.0.lock().now = Millis(1_700_000_000_000);
        let mut random = StdRng::seed_from_u64(seed);
        let mut tasks: Vec<Task<'_>> =
            (0..2).map(|who| Box::pin(upload(&world, &known, who, 7, random.random())) as Task<'_>).collect();
        while !tasks.is_empty() {
            let at = random.random_range(0..tasks.len());
            if poll(&mut tasks[at]) {
                drop(tasks.swap_remove(at));
            }
        }
        let usable = known.usable.lock().clone();
        assert_eq!(usable.len(), 2, "seed {seed}");
        assert_eq!(usable[0].1, usable[1].1, "seed {seed}");
        assert_eq!(world.0.lock().objects.len(), 1, "seed {seed}");
        assert_eq!(world.0.lock().uploaded.len(), 2, "seed {seed}: one for each");
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

#[test]
fn who_knows_an_id_or_a_hash_gets_nothing_by_it() {
    let (world, known) = (World::default(), Known::default());
    world.0.lock().now = Millis(1_700_000_000_000);
    run(upload(&world, &known, 0, 7, 1));
    let media = known.usable.lock()[0].1;
    let steps = Steps { place: &world, now: world.now(), quota: QUOTA };
    let not_found = Ok(MediaAnswer::Refused(MediaRefusal::NotFound));
    let told = |answer: Result<MediaAnswer, Trouble>| answer.map_err(|trouble| trouble.to_string());
    // By the id.
    assert_eq!(told(run(steps.open(&user(1), media, false, false, None))), not_found);
    let message = (sender(1), MessageId::from_parts(Millis(1), 1), bob());
    assert_eq!(told(run(steps.refer(&message, media, Millis(2), false))), not_found);
    assert_eq!(told(run(steps.go_on(&user(1), media))), not_found);
    assert_eq!(told(run(steps.complete(&user(1), media, None, 5))), not_found);
    // By the hash: nothing is to be put, and the bytes are to be shown.
    let begun = run(steps.begin(&user(1), &promise(7), 3, [9; 16])).unwrap();
    let MediaAnswer::Begun { media: own, parts, challenge: Some(challenge), .. } = begun else { panic!("{begun:?}") };
    assert!(parts.is_empty());
    let no_proof = Ok(MediaAnswer::Refused(MediaRefusal::NoProof));
    for wrong in [None, Some(promise(7).sha256), Some(proof(promise(7).sha256, [8; 16]))] {
        assert_eq!(told(run(steps.complete(&user(1), own, wrong, 5))), no_proof);
    }
    assert_eq!(told(run(steps.complete(&user(2), own, None, 5))), not_found, "another one's upload");
    let shown = run(steps.complete(&user(1), own, Some(proof(promise(7).sha256, challenge)), 5)).unwrap();
    assert!(matches!(shown, MediaAnswer::Usable { media: same, .. } if same == media), "{shown:?}");
    assert!(matches!(run(steps.open(&user(1), own, false, false, None)), Ok(MediaAnswer::Usable { .. })));
    assert_eq!(told(run(steps.open(&user(1), media, false, true, None))), not_found, "there is no small picture");
}

#[test]
fn a_share_is_counted_by_what_is_kept() {
    let world = World::default();
    world.0.lock().now = Millis(1_700_000_000_000);
    let used = 2 * limits::MEDIA_COUNTED;
    let begin = |content, random| {
        let steps = Steps { place: &world, now: world.now(), quota: used + 25 };
        run(steps.begin(&user(0), &promise(content), random, [0; 16])).unwrap()
    };
    assert!([begin(1, 2), begin(2, 4)].iter().all(|begun| matches!(begun, MediaAnswer::Begun { .. })));
    assert_eq!(begin(3, 6), MediaAnswer::Refused(MediaRefusal::Quota { used, most: used + 25 }), "small as it is");
    world.0.lock().now.0 += limits::MEDIA_UPLOADED_FOR.0;
    assert!(matches!(begin(3, 6), MediaAnswer::Begun { .. }), "what was never uploaded counts no more");
}

#[test]
fn references_are_kept_so_far() {
    let facts = MediaFacts::default();
    let usable = Usable { sha256: Sha256([0; 32]), facts, references: Vec::new(), more: false };
    let mut record = MediaRecord { state: MediaState::Usable(usable), until: Millis(5) };
    let reference =
        |number: u64| Reference { from: sender(0), id: MessageId::from_parts(Millis(number), 0), to: bob() };
    for number in 0..=limits::MEDIA_REFERENCES as u64 {
        let MediaState::Usable(usable) = &record.state else { panic!("{record:?}") };
        record = referred(usable, record.until, Millis(9), &reference(number)).unwrap();
    }
    let MediaState::Usable(usable) = &record.state else { panic!("{record:?}") };
    assert_eq!((usable.references.len(), usable.more, record.until), (limits::MEDIA_REFERENCES, true, Millis(9)));
    assert_eq!(referred(usable, Millis(9), Millis(9), &reference(99)), None, "nothing more can be kept");
    let mut without = record;
    for number in 0..limits::MEDIA_REFERENCES as u64 {
        without = released(&without, &reference(number), Millis(1)).unwrap();
    }
    assert_eq!(without.until, Millis(9), "others may refer to it that are not known");
    assert_eq!(released(&without, &reference(0), Millis(1)), None);
    assert_eq!(kept(Millis(1_001), Millis(0)), Millis(2_000));
    assert_eq!(kept(Millis(0), Millis(9)), Millis(1_000));
}
