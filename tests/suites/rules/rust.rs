//! What holds in the code: who imports whom, what stays pure, where subjects are written, what is never written.

use super::{
    Finding, catches, hold,
    source::{Source, closing, words},
};

/// A crate's folder, and the crates of the workspace that it may know.
pub(super) const MAY_KNOW: [(&str, &[&str]); 8] = [
    ("schema", &[]),
    ("nats", &["schema"]),
    ("store", &[]),
    ("gateway", &["schema", "nats", "store"]),
    ("workers", &["schema", "nats", "store"]),
    ("client", &["schema"]),
    ("cli", &["schema", "nats", "store", "gateway", "workers", "client"]),
    ("tests", &["schema", "nats", "store", "gateway", "workers", "client"]),
];

/// Who may name async-nats: the crate that hides it, and the suites, which break things behind its back.
pub(super) const MAY_NAME_ASYNC_NATS: [&str; 2] = ["nats", "tests"];

fn at(source: &Source, code: &str, word: &str, what: &str) -> Vec<Finding> {
    words(code, word).map(|at| (source.line(at), format!("`{word}`: {what}"))).collect()
}

fn imports(source: &Source) -> Vec<Finding> {
    let Some((_, allowed)) = MAY_KNOW.iter().find(|(name, _)| *name == source.folder()) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, _) in MAY_KNOW {
        if name != source.folder() && !allowed.contains(&name) {
            let what = format!("{} may not know {name}", source.folder());
            found.extend(at(source, &source.code, &format!("dunlin_{name}"), &what));
        }
    }
    if !MAY_NAME_ASYNC_NATS.contains(&source.folder()) {
        found.extend(at(source, &source.code, "async_nats", "only nats speaks to NATS"));
    }
    found
}

#[test]
fn crates_know_whom_they_may() {
    catches(
        imports,
        &[
            ("gateway/src/x.rs", "use dunlin_nats::Reads;\nuse dunlin_workers::Role;", &[2]),
            ("workers/src/x.rs", "use dunlin_schema::Seq; use dunlin_gateway::Gateway;", &[1]),
            ("client/src/x.rs", "fn f() { dunlin_nats::connect() }", &[1]),
            ("schema/src/x.rs", "// like dunlin_nats\nconst X: &str = \"dunlin_nats\";", &[]),
            ("gateway/src/x.rs", "use async_nats as x;", &[1]),
            ("nats/src/x.rs", "use async_nats::Client;", &[]),
            ("tests/src/x.rs", "use dunlin_workers::Role; use async_nats::Client;", &[]),
            ("cli/src/x.rs", "use dunlin_tests::Region;", &[1]),
        ],
    );
    hold(imports);
}

/// What decides without I/O, though its folder is not of that kind.
const PURE: [&str; 5] = [
    "gateway/src/socket/decode/mod.rs",
    "gateway/src/socket/encode.rs",
    "store/src/breaker.rs",
    "workers/src/deliver/heads.rs",
    "workers/src/reader/ownership.rs",
];

/// What decides without I/O.
fn is_pure(path: &str) -> bool {
    PURE.contains(&path)
        || path.starts_with("schema/src/")
        || path.starts_with("gateway/src/session/")
        || path.starts_with("gateway/src/sending/")
        || path.starts_with("gateway/src/comparison/core")
        || path.starts_with("gateway/src/connection/core")
        || path.starts_with("gateway/src/following/core")
        || path.starts_with("nats/src/append/core")
        || path.starts_with("nats/src/read/together/core")
        || path.starts_with("client/src/core/")
        || path.starts_with("client/src/conversation/")
        || path.starts_with("workers/src/") && (path.ends_with("/core.rs") || path.contains("/core/"))
}

fn purity(source: &Source) -> Vec<Finding> {
    if !is_pure(&source.path) || !source.is_shipped() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let impure = [
        "tokio",
        "futures_util",
        "async",
        "await",
        "SystemTime",
        "Instant",
        "thread_rng",
        "rand::rng",
        "OsRng",
        "std::net",
        "std::fs",
        "std::thread",
        "std::env",
        "std::process",
        "println",
        "tracing",
    ];
    for word in impure {
        found.extend(at(source, &source.shipped, word, "what decides does no I/O, knows no clock and draws no lots"));
    }
    if !source.path.starts_with("client/") {
        // The client's core draws from a generator with the seed that it is given.
        found.extend(at(source, &source.shipped, "rand", "random bytes are arguments"));
    }
    found
}

#[test]
fn what_decides_stays_pure() {
    catches(
        purity,
        &[
            ("gateway/src/session/mod.rs", "//! no tokio\nuse tokio::time;", &[2]),
            ("gateway/src/session/mod.rs", "let now = std::time::Instant::now();", &[1]),
            ("gateway/src/socket/mod.rs", "use tokio::time;", &[]),
            ("workers/src/deliver/core.rs", "let t = SystemTime::now();\nlet s = \"SystemTime\";", &[1]),
            ("workers/src/deliver/core.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use rand::Rng; }", &[]),
            ("workers/src/deliver/mod.rs", "let t = SystemTime::now();", &[]),
            ("nats/src/append/core.rs", "let x = rand::random();", &[1]),
            ("nats/src/append/mod.rs", "let x = rand::random();", &[]),
            ("schema/src/x.rs", "pub async fn f() {}", &[1]),
            ("schema/src/x.rs", "let x = std::fs::read(p);", &[1]),
            ("client/src/core/ids.rs", "use rand::rngs::StdRng;\nlet r = rand::rng();", &[2]),
        ],
    );
    hold(purity);
    for path in PURE {
        assert!(super::root().join(path).exists(), "{path} is not there: take it from the list");
    }
}

/// How subjects and streams begin.
const SUBJECTS: [&str; 12] =
    ["log.", "state.", "receipt.", "task.", "out.", "user.", "group.", "svc.", "LOG_", "STATE_", "RECEIPTS_", "TASKS_"];

fn subjects(source: &Source) -> Vec<Finding> {
    if !source.is_shipped() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (at, text) in &source.literals {
        if source.in_tests(*at) {
            continue;
        }
        let line = source.line(*at);
        if source.folder() != "nats" && (text.starts_with("$JS") || text.starts_with("$SRV")) {
            found.push((line, format!("{text:?}: only nats speaks JetStream's API")));
        }
        let subject = |prefix: &str| {
            let rest = text.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['{', '*', '>']) || rest.contains('.'))
        };
        if source.folder() != "schema" && SUBJECTS.iter().any(|prefix| subject(prefix)) {
            found.push((line, format!("{text:?}: subjects and streams are named in schema")));
        }
    }
    found
}

#[test]
fn subjects_are_built_in_schema() {
    catches(
        subjects,
        &[
            ("gateway/src/x.rs", "let s = format!(\"user.{user}\");", &[1]),
            ("workers/src/x.rs", "\n\nlet s = format!(\"log.{region}.{shard}.user.{u}\");", &[3]),
            ("workers/src/x.rs", "let s = \"STATE_\".to_owned() + region;", &[1]),
            ("cli/src/x.rs", "let s = r#\"LOG_{region}_0\"#;", &[1]),
            ("nats/src/x.rs", "let s = \"state.eu.0.reader\";", &[1]),
            ("nats/src/x.rs", "let s = \"$JS.eu.API.INFO\"; // user.{user}", &[]),
            ("gateway/src/x.rs", "let s = \"$SRV.PING\";", &[1]),
            ("gateway/src/x.rs", "let s = \"log.level\"; let t = \"the user.\"; let u = \"user\";", &[]),
            ("schema/src/subject.rs", "let s = format!(\"user.{user}\");", &[]),
            ("gateway/src/x.rs", "fn f() {}\n#[cfg(test)]\nmod t {\n fn s() { g(\"user.bob.x\") } }", &[]),
            ("tests/src/x.rs", "let s = \"user.bob.x\";", &[]),
        ],
    );
    hold(subjects);
}

fn unwraps(source: &Source) -> Vec<Finding> {
    if !source.is_shipped() {
        return Vec::new();
    }
    let mut found =
        at(source, &source.shipped, ".unwrap()", "say with `expect` why it can't happen, or tell the caller");
    found.extend(at(source, &source.shipped, ".unwrap_err()", "only a test knows that it fails"));
    for (at, text) in &source.literals {
        let before = &source.code[..*at];
        if !source.in_tests(*at) && before.ends_with(".expect(") && text.split(' ').count() < 2 {
            found.push((source.line(*at), format!("{text:?}: `expect` says why it can't happen")));
        }
    }
    found
}

#[test]
fn nothing_shipped_unwraps() {
    catches(
        unwraps,
        &[
            ("cli/src/main.rs", "a.unwrap();\nb.unwrap_or(c);\n\"x.unwrap()\";", &[1]),
            (
                "nats/src/x.rs",
                "fn f() {}\n#[cfg(test)]\nmod tests { fn g() { a.unwrap() } }\nfn h() { b.unwrap() }",
                &[4],
            ),
            ("client/src/core/tests.rs", "a.unwrap()", &[]),
            ("schema/tests/suites/x.rs", "a.unwrap()", &[]),
            ("schema/src/x.rs", "a.expect(\"\"); b.expect(\"a reason why\"); c.expect(\"no\")", &[1, 1]),
        ],
    );
    hold(unwraps);
}

fn unfinished(source: &Source) -> Vec<Finding> {
    if !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let macros = [concat!("to", "do!"), concat!("unimpl", "emented!"), concat!("db", "g!"), concat!("#[ig", "nore")];
    let mut found: Vec<_> =
        macros.iter().flat_map(|word| at(source, &source.code, word, "nothing is left for later")).collect();
    for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
        found.extend(at(source, &source.text, word, "nothing is left for later"));
    }
    found
}

#[test]
fn nothing_is_unfinished() {
    catches(
        unfinished,
        &[
            ("a/src/x.rs", concat!("fn f() { to", "do!() }"), &[1]),
            ("a/src/x.rs", concat!("// FIX", "ME: later\nfn f() {}"), &[1]),
            ("a/src/x.rs", concat!("#[test]\n#[ig", "nore = \"slow\"]\nfn f() {}"), &[2]),
            ("a/src/x.rs", concat!("let x = db", "g!(y);"), &[1]),
            ("a/src/x.rs", "let todo = mytodo!(); // a mastodon", &[]),
        ],
    );
    hold(unfinished);
}

/// Where a test may sleep, and why.
const MAY_SLEEP: [(&str, &str); 16] = [
    ("tests/src/wait.rs", "the one loop that asks for a condition until its deadline"),
    ("cli/tests/command.rs", "the same, for the command's own tests"),
    ("nats/tests/it/support.rs", "the same, for the crate's own tests"),
    ("store/tests/suites/trial.rs", "the same, for the crate's own tests"),
    ("tests/src/server.rs", "the same, for a child that has not begun to listen"),
    ("tests/src/bucket.rs", "the same"),
    ("tests/src/load.rs", "senders with a pace of their own"),
    ("tests/src/team.rs", "members with a pace of their own"),
    ("tests/suites/edge.rs", "how long a server stands still is the fault itself"),
    ("tests/suites/kills.rs", "the moment of a kill is drawn by lot"),
    ("tests/suites/groups/kills.rs", "the same"),
    ("tests/suites/media/kills.rs", "the same"),
    ("tests/suites/media/load.rs", "clients that were told to come later, and how often memory is looked at"),
    ("tests/suites/media/slow.rs", "how slowly a store answers is the fault itself"),
    ("tests/suites/tokens.rs", "a web server that is slow"),
    ("tests/suites/repeats.rs", "JetStream's duplicate window ends without an event"),
];

fn sleeps(source: &Source) -> Vec<Finding> {
    let test = source.path.ends_with(".rs") && (source.folder() == "tests" || source.path.contains("/tests/"));
    if !test || MAY_SLEEP.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    let slept = |word| at(source, &source.code, word, "a test waits for a condition with a deadline, never for a time");
    slept("sleep(").into_iter().chain(slept("sleep_until(")).collect()
}

#[test]
fn no_test_sleeps() {
    catches(
        sleeps,
        &[
            ("tests/suites/x.rs", "tokio::time::sleep(second).await;", &[1]),
            ("client/tests/x.rs", "std::thread::sleep(second);\n// sleep(1)\n\"sleep(1)\"", &[1]),
            ("tests/src/wait.rs", "tokio::time::sleep(a).await;", &[]),
            ("gateway/src/x.rs", "tokio::time::sleep(a).await;", &[]),
        ],
    );
    hold(sleeps);
    let stale: Vec<_> = MAY_SLEEP.iter().filter(|(path, _)| !super::root().join(path).exists()).collect();
    assert!(stale.is_empty(), "files that may sleep and are not there: {stale:?}");
}

fn rooms(source: &Source) -> Vec<Finding> {
    if !source.path.ends_with(".rs") || source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![(1, "a file begins with `//!`: what lives here, what does not, how to use it".to_owned())]
}

#[test]
fn every_file_says_what_lives_in_it() {
    catches(
        rooms,
        &[("a/src/x.rs", "use b;\n//! late", &[1]), ("a/src/x.rs", "//! A room.\nuse b;", &[]), ("x.md", "# x", &[])],
    );
    hold(rooms);
}

/// Lines above which a function asks to be two.
const FUNCTION: usize = 70;

/// Files with a longer one that is left.
const LONG_FUNCTIONS: [&str; 1] = ["schema/src/asyncapi/mod.rs"];

fn functions(source: &Source) -> Vec<Finding> {
    if !source.is_shipped() || LONG_FUNCTIONS.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let code = &source.shipped;
    let lengths = words(code, "fn").filter_map(|at| {
        let open = at + code[at..].find(['{', ';']).filter(|end| code[at + end..].starts_with('{'))?;
        let lines = source.line(closing(code, open) - 1) - source.line(at) + 1;
        Some((source.line(at), lines))
    });
    let long = lengths.filter(|(_, lines)| *lines > FUNCTION);
    long.map(|(line, lines)| (line, format!("{lines} lines: over {FUNCTION} a function is usually two"))).collect()
}

#[test]
fn no_function_is_too_long() {
    let long = format!("trait T {{ fn short(); }}\nfn f() {{\n{}}}\n", "x();\n".repeat(FUNCTION - 1));
    let just = long.replacen("x();\n", "", 1);
    catches(functions, &[("a/src/x.rs", &long, &[]), ("cli/src/x.rs", &long, &[2]), ("cli/src/x.rs", &just, &[])]);
    hold(functions);
}

/// Columns above which a line of a comment is no longer read at once.
const COLUMNS: usize = 140;

fn comments(source: &Source) -> Vec<Finding> {
    let lines = source.text.split_inclusive('\n').scan(0, |end, line| {
        let start = std::mem::replace(end, *end + line.len());
        Some((start, line.trim_end()))
    });
    let wide = lines.filter(|(_, line)| source.path.ends_with(".rs") && line.chars().count() > COLUMNS);
    // What is wide, but no code and no literal.
    let comments = wide.filter(|(start, line)| {
        let past = start + line.char_indices().nth(COLUMNS).map_or(0, |(at, _)| at);
        source.in_comment(past)
    });
    comments.map(|(start, _)| (source.line(start), format!("a comment of over {COLUMNS} columns"))).collect()
}

#[test]
fn no_comment_is_too_wide() {
    let wide = format!("fn f() {{}}\n    // {}", "é".repeat(COLUMNS - 6));
    let behind = wide.replacen("\n   ", "", 1);
    let literal = format!("const X: &str = \"// {}\";", "é".repeat(COLUMNS));
    catches(
        comments,
        &[
            ("a/src/x.rs", &wide, &[2]),
            ("a/src/x.rs", &wide.replacen('é', "", 1), &[]),
            ("a/src/x.rs", &behind, &[1]),
            ("a/src/x.rs", &behind.replace("//", "/*"), &[1]),
            ("a/src/x.rs", &literal, &[]),
        ],
    );
    hold(comments);
}
