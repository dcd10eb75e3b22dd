//! The repository's own rules, held by a test: who may know whom, what stays pure, what is written in one place.
//!
//! Each rule looks at one file and tells what it finds. Each has a table of planted violations, so that a rule that sees nothing is
//! noticed.

mod files;
mod manifests;
mod modules;
mod rust;
mod source;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use self::source::Source;

/// A rule: what is wrong with a file, each with its line.
type Rule = fn(&Source) -> Vec<Finding>;

/// Something a rule found: the line, from 1, and what is wrong there.
type Finding = (usize, String);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of the repository that people write.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the repository can be read") {
            let path = entry.expect("the repository can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("names are UTF-8");
            let made = name.starts_with("target")
                || matches!(
                    name,
                    ".git" | ".tools" | ".dunlin" | "node_modules" | "Cargo.lock" | "package-lock.json" | "LICENSE"
                );
            match path.is_dir() {
                _ if made => {}
                true => walk(&path, found),
                false => found.push(path),
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root(), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("the repository can be read");
        let name = path.strip_prefix(root()).expect("the walk began there").to_str().expect("names are UTF-8");
        String::from_utf8(bytes).ok().map(|text| Source::new(name, &text))
    };
    paths.into_iter().filter_map(read).collect()
}

/// Fails with everything that `rule` finds in the repository.
fn hold(rule: Rule) {
    assert!(SOURCES.iter().any(|source| source.path == "schema/src/lib.rs"), "the rules look at the repository");
    let told = SOURCES.iter().flat_map(|source| {
        rule(source).into_iter().map(|(line, what)| format!("{}:{line}: {what}", source.path)).collect::<Vec<_>>()
    });
    let told: Vec<_> = told.collect();
    assert!(told.is_empty(), "{} against the rules:\n{}", told.len(), told.join("\n"));
}

/// Checks a rule on planted texts: `(path, text, the lines in which it finds something)`.
#[track_caller]
fn catches(rule: Rule, cases: &[(&str, &str, &[usize])]) {
    for (path, text, lines) in cases {
        let found: Vec<_> = rule(&Source::new(path, text)).into_iter().map(|(line, _)| line).collect();
        assert_eq!(found, *lines, "in {path}:\n{text}");
    }
    assert!(cases.iter().any(|(.., lines)| !lines.is_empty()), "a rule has a violation planted");
}
