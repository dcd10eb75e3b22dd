//! Inputs without number, bent from what nats-servers said to clients, which `corpus` holds: one exchange a file, as the bytes that came.
//!
//! `DUNLIN_FUZZ_INPUTS` says how many are made, `DUNLIN_FUZZ_FIRST` which is the first: each is made from its number alone, which a failure
//! prints, with the input.

use std::{fs, ops::Range, path::Path};

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

use super::{
    read::{INFO, LINE, MESSAGE},
    *,
};

/// How many inputs are made where nobody says: about a second of them.
const INPUTS: u64 = 40_000;
/// Things said in a row, at most.
const IN_A_ROW: usize = 4;
/// Times that an input is bent, at most.
const BENDS: usize = 5;
/// Words that mean something, and numbers at the edges of what they may be.
const WORDS: &[&[u8]] = &[
    b"MSG ",
    b"HMSG ",
    b"PING",
    b"PONG",
    b"+OK",
    b"-ERR ",
    b"INFO ",
    b"NATS/1.0",
    b" 503",
    b" 100 ",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"'",
    b"\r\n\r\n",
    b"\0",
    b"\xff",
    b": ",
];
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"12",
    b"00",
    b"007",
    b"-1",
    b"+1",
    b"8191",
    b"8192",
    b"1048576",
    b"67108863",
    b"67108864",
    b"67108865",
    b"4294967295",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999",
    b"0x1",
    b"1e3",
    b"1.5",
    b"",
];

/// What servers said, thing by thing.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/corpus");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_none() && !path.ends_with(".gitattributes")).collect();
    // The same input for a number on each machine.
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let (said, end) = apart(&bytes);
        assert_eq!(end, (bytes.len(), Ok(1)), "{} is no whole exchange", file.display());
        all.extend(said.into_iter().map(|(place, _)| bytes[place].to_vec()));
    }
    all
}

/// Where it ended, and what was missing there: bytes, or sense.
type End = (usize, Result<usize, Malformed>);

/// Everything whole that bytes hold, and where each lies.
fn apart(bytes: &[u8]) -> (Vec<(Range<usize>, Said<'_>)>, End) {
    let (mut all, mut begin) = (Vec::new(), 0);
    loop {
        match next(&bytes[begin..]) {
            Ok(Step::Whole(said, length)) => {
                all.push((begin..begin + length, said));
                begin += length;
            }
            Ok(Step::Part(needed)) => return (all, (begin, Ok(needed))),
            Err(malformed) => return (all, (begin, Err(malformed))),
        }
    }
}

/// The input of a number.
fn input(number: u64, corpus: &[Vec<u8>], bytes: &mut Vec<u8>) -> SmallRng {
    let mut random = SmallRng::seed_from_u64(number);
    bytes.clear();
    for _ in 0..random.random_range(1..=IN_A_ROW) {
        bytes.extend_from_slice(corpus.choose(&mut random).unwrap());
    }
    for _ in 0..random.random_range(0..=BENDS) {
        bend(&mut random, corpus, bytes);
    }
    random
}

fn bend(random: &mut SmallRng, corpus: &[Vec<u8>], bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.push(random.random());
    }
    let at = random.random_range(0..bytes.len());
    let some = at..(at + random.random_range(1..=32)).min(bytes.len());
    match random.random_range(0..10) {
        0 => bytes[at] ^= 1 << random.random_range(0..8),
        1 => bytes[at] = random.random(),
        2 => drop(bytes.drain(some)),
        3 => bytes.truncate(at),
        4 => {
            let again = bytes[some].to_vec();
            insert(bytes, at..at, &again);
        }
        5 => insert(bytes, at..at, WORDS.choose(random).unwrap()),
        6 => insert(bytes, some, WORDS.choose(random).unwrap()),
        7 => {
            let other = corpus.choose(random).unwrap();
            let from = random.random_range(0..other.len());
            insert(bytes, at..bytes.len(), &other[from..]);
        }
        // Longer than any line, once in a while.
        8 if random.random_ratio(1, 64) => insert(bytes, at..at, &[b'a'; LINE]),
        _ => {
            let digits = |byte: &u8| byte.is_ascii_digit();
            let begin = at + bytes[at..].iter().take_while(|byte| !digits(byte)).count();
            let end = begin + bytes[begin..].iter().take_while(|byte| digits(byte)).count();
            insert(bytes, begin..end, NUMBERS.choose(random).unwrap());
        }
    }
}

fn insert(bytes: &mut Vec<u8>, place: Range<usize>, new: &[u8]) {
    bytes.splice(place, new.iter().copied());
}

/// What must hold of any bytes.
fn hold(bytes: &[u8], random: &mut SmallRng) {
    let (said, end) = apart(bytes);
    for (place, said) in &said {
        let own = &bytes[place.clone()];
        // What comes behind it changes nothing, and it is not there before its last byte.
        assert_eq!(next(own), Ok(Step::Whole(*said, own.len())));
        let before = next(&own[..own.len() - 1]);
        assert!(matches!(before, Ok(Step::Part(needed)) if needed == own.len()), "{before:?} of {}", own.len());
        match said {
            Said::Message(message) => lies_within(message, own),
            Said::Info(text) | Said::Error(text) => assert!(within(text, own)),
            Said::Ping | Said::Pong | Said::Ok => {}
        }
    }
    let rest = bytes.len() - end.0;
    match end.1 {
        // A line's next byte, or what a message's line has announced.
        Ok(needed) => assert!(needed == rest + 1 && rest < INFO || needed <= LINE + MESSAGE + 2, "{needed} of {rest}"),
        Err(_) => assert!(rest > 0),
    }
    // In pieces it is the same, and what is there before the end goes before it.
    let mut cuts: [usize; 3] = std::array::from_fn(|_| random.random_range(0..=bytes.len()));
    cuts.sort_unstable();
    let mut pieces = said.iter().map(|(place, said)| (place.end, *said));
    let (mut begin, mut wanted) = (0, 0);
    for cut in cuts.into_iter().chain([bytes.len()]) {
        let (taken, (ended, missing)) = apart(&bytes[begin..cut]);
        assert!(taken.is_empty() || wanted <= cut - begin, "it was there before the bytes that it was said to need");
        for (place, said) in taken {
            assert_eq!(pieces.next(), Some((begin + place.end, said)));
        }
        begin += ended;
        match missing {
            Ok(needed) => wanted = needed,
            // No more bytes make it right.
            Err(malformed) => return assert_eq!((begin, Err(malformed), None), (end.0, end.1, pieces.next())),
        }
    }
    assert_eq!((begin, Ok(wanted), None), (end.0, end.1, pieces.next()));
}

fn lies_within(message: &Message<'_>, own: &[u8]) {
    let Message { sid: _, subject, reply, headers, payload } = message;
    assert!(
        [*subject, headers, payload, reply.unwrap_or_default()].iter().all(|part| part.is_empty() || within(part, own))
    );
    assert!(!subject.is_empty() && reply.is_none_or(|reply| !reply.is_empty()));
    let body = &own[own.len() - 2 - headers.len() - payload.len()..own.len() - 2];
    assert_eq!(body, [*headers, payload].concat());
    assert!(status(headers).is_none_or(|status| status < 1_000));
}

fn within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

/// Tells of the input when what holds does not.
struct Told<'a>(u64, &'a [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("DUNLIN_FUZZ_FIRST={} DUNLIN_FUZZ_INPUTS=1: {}", self.0, self.1.escape_ascii());
        }
    }
}

#[test]
fn no_input_does_harm() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let count = number("DUNLIN_FUZZ_INPUTS").unwrap_or(INPUTS);
    let first = number("DUNLIN_FUZZ_FIRST").unwrap_or_else(|| u64::from(rand::random::<u32>()) << 32);
    let corpus = corpus();
    let mut bytes = Vec::new();
    let (mut whole, mut malformed) = (0_u64, 0_u64);
    for number in first..first + count {
        let mut random = input(number, &corpus, &mut bytes);
        let told = Told(number, &bytes);
        hold(told.1, &mut random);
        drop(told);
        match next(&bytes) {
            Ok(Step::Whole(..)) => whole += 1,
            Ok(Step::Part(_)) => {}
            Err(_) => malformed += 1,
        }
    }
    // Inputs that all go the same way find nothing.
    assert!(count < 1_000 || whole > count / 4 && malformed > count / 10, "{whole} and {malformed} of {count}");
}
