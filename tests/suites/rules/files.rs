//! What holds in every file: its length, its links, what a script begins with, and no trace of the machine it was written on.

use super::{Finding, catches, hold, root, source::Source};

/// Lines above which a file asks for a second room.
const LINES: usize = 500;

fn lengths(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let written = [".rs", ".toml", ".sh", ".py", ".js"].iter().any(|end| source.path.ends_with(end));
    if !written || lines <= LINES {
        return Vec::new();
    }
    vec![(lines, format!("{lines} lines: over {LINES} a file asks for a second room"))]
}

#[test]
fn no_file_is_too_long() {
    let long = "x\n".repeat(LINES + 1);
    catches(
        lengths,
        &[("a/src/x.rs", &long, &[LINES + 1]), ("a/src/x.rs", &long[2..], &[]), ("docs/x.md", &long, &[])],
    );
    hold(lengths);
}

fn scripts(source: &Source) -> Vec<Finding> {
    if !(source.path.starts_with("scripts/") || source.path.starts_with(".ci/")) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if source.text.lines().next() != Some("#!/usr/bin/env bash") {
        found.push((1, "a script begins with `#!/usr/bin/env bash`".to_owned()));
    }
    let said = source.text.lines().find(|line| !line.starts_with('#'));
    if said != Some("set -euo pipefail") {
        found.push((2, "a script's first command is `set -euo pipefail`".to_owned()));
    }
    if !source.text.lines().nth(1).is_some_and(|line| line.starts_with("# ")) {
        found.push((2, "a script says first what it does".to_owned()));
    }
    found
}

#[test]
fn scripts_stop_at_the_first_error() {
    catches(
        scripts,
        &[
            ("scripts/x", "#!/usr/bin/env bash\n# Does x.\nset -euo pipefail\nx", &[]),
            ("scripts/x", "#!/bin/sh\n# Does x.\nset -euo pipefail\nx", &[1]),
            ("scripts/x", "#!/usr/bin/env bash\n# Does x.\nset -e\nx", &[2]),
            (".ci/run", "#!/usr/bin/env bash\nx\nset -euo pipefail", &[2, 2]),
        ],
    );
    hold(scripts);
}

#[cfg(unix)]
#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut seen = 0;
    for folder in ["scripts", ".ci"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            let mode = std::fs::metadata(&path).expect("the script is there").permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{} has no run bit: chmod +x", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 4, "setup, dev, test and CI's own");
}

#[cfg(unix)]
#[test]
fn scripts_hand_their_arguments_on() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    // What takes the place of building, and of what was built.
    for (path, says) in [("cargo", ""), ("release/dunlin", "echo \"$@\"")] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, format!("#!/bin/sh\n{says}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a run bit");
    }
    let mut path = vec![folder.path().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").expect("a PATH")));
    for (script, given) in [("dev", ["--data", "elsewhere"]), ("bench", ["--only", "memory"])] {
        let mut command = std::process::Command::new(root().join("scripts").join(script));
        command.args(given).env("CARGO_TARGET_DIR", folder.path());
        let output = command.env("PATH", std::env::join_paths(&path).expect("a PATH")).output().expect("a script");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.lines().last(), Some(format!("{script} {}", given.join(" ")).as_str()), "{output:?}");
    }
}

/// The targets of a Markdown text's links.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("](").filter_map(|(at, open)| {
        let rest = &text[at + open.len()..];
        Some((at, rest[..rest.find(')')?].split_whitespace().next()?))
    })
}

fn broken_links(source: &Source) -> Vec<Finding> {
    if !source.path.ends_with(".md") {
        return Vec::new();
    }
    let folder = root().join(&source.path);
    let folder = folder.parent().expect("a file stands in a folder");
    let broken = links(&source.text).filter(|(_, link)| {
        let path = link.split('#').next().unwrap_or_default();
        !(link.starts_with("https://") || path.is_empty() || !link.starts_with('/') && folder.join(path).exists())
    });
    broken.map(|(at, link)| (source.line(at), format!("{link}: there is no such file"))).collect()
}

#[test]
fn links_lead_somewhere() {
    catches(
        broken_links,
        &[
            ("README.md", "[a](Cargo.toml) and\n[b](docs/nowhere.md)", &[2]),
            ("docs/x.md", "[a](../Cargo.toml#x) [b](#here) [c](https://nats.io)", &[]),
            ("README.md", "[a](/Cargo.toml) [b](http://nats.io)", &[1, 1]),
        ],
    );
    hold(broken_links);
}

fn traces(source: &Source) -> Vec<Finding> {
    // What others said stands as they said it.
    if source.path.contains("/corpus/") {
        return Vec::new();
    }
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/tm", "p/w/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let mut found = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if let Some(place) = places.iter().find(|place| line.contains(**place)) {
            found.push((index + 1, format!("{place}: a path of somebody's machine")));
        }
        if line.ends_with([' ', '\t']) {
            found.push((index + 1, "blanks at the end of the line".to_owned()));
        }
        if ["<<<<<<<", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
            found.push((index + 1, "a conflict that was not resolved".to_owned()));
        }
    }
    if !source.text.is_empty() && !source.text.ends_with('\n') {
        found.push((source.text.lines().count(), "a file ends with a line break".to_owned()));
    }
    found
}

#[test]
fn nothing_tells_of_the_machine_it_was_written_on() {
    catches(
        traces,
        &[
            ("docs/x.md", concat!("see /ro", "ot/.cargo\nand /var/lib/dunlin\n"), &[1]),
            ("scripts/x", concat!("cd /ho", "me/me/dunlin\n"), &[1]),
            ("a/src/x.rs", "let a = 1; \nlet b = 2;", &[1, 2]),
            ("a/src/x.rs", concat!("<<<<", "<<< HEAD\nlet b = \"network/path\";\n"), &[1]),
            ("a/src/corpus/x", "PING \nPONG", &[]),
        ],
    );
    hold(traces);
}
