//! What holds in the Cargo.toml files: who depends on whom, versions once, lints everywhere.

use super::{
    Finding, catches, hold,
    rust::{MAY_KNOW, MAY_NAME_ASYNC_NATS},
    source::Source,
};

/// The lines of a manifest that say something: line, section, key and value.
fn facts(source: &Source) -> Vec<(usize, &str, &str, &str)> {
    let mut section = "";
    let mut facts = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').trim_start_matches('[');
        } else if let Some((key, value)) = line.split_once('=') {
            facts.push((index + 1, section, key.trim(), value.trim()));
        }
    }
    facts
}

fn is_member(source: &Source) -> bool {
    source.path.ends_with("/Cargo.toml")
}

fn is_dependency(section: &str) -> bool {
    section.ends_with("dependencies")
}

fn depends(source: &Source) -> Vec<Finding> {
    if !is_member(source) {
        return Vec::new();
    }
    let folder = source.folder();
    let Some((_, allowed)) = MAY_KNOW.iter().find(|(name, _)| *name == folder) else {
        return vec![(1, format!("{folder} is no crate of the picture in DESIGN.md: add it to MAY_KNOW"))];
    };
    let mut found = Vec::new();
    for (line, section, key, _) in facts(source) {
        let name = key.split('.').next().unwrap_or_default();
        if !is_dependency(section) {
            continue;
        }
        if let Some(other) = name.strip_prefix("dunlin-")
            && !allowed.contains(&other)
        {
            found.push((line, format!("{folder} may not know {other}")));
        }
        if name == "async-nats" && !MAY_NAME_ASYNC_NATS.contains(&folder) {
            found.push((line, "only nats speaks to NATS".to_owned()));
        }
        if folder == "schema" && matches!(name, "tokio" | "async-nats" | "futures-util" | "rand" | "tracing") {
            found.push((line, format!("schema has no {name}: it is pure data")));
        }
    }
    found
}

#[test]
fn crates_depend_on_whom_they_may() {
    catches(
        depends,
        &[
            (
                "gateway/Cargo.toml",
                "[dependencies]\ndunlin-nats.workspace = true\ndunlin-workers.workspace = true",
                &[3],
            ),
            ("workers/Cargo.toml", "[dev-dependencies]\ndunlin-gateway = { workspace = true }", &[2]),
            ("client/Cargo.toml", "[dependencies]\nasync-nats.workspace = true", &[2]),
            ("schema/Cargo.toml", "[dependencies]\ntokio.workspace = true", &[2]),
            ("nats/Cargo.toml", "[package]\nname = \"dunlin-nats\"\n[dependencies]\nasync-nats.workspace = true", &[]),
            ("newcomer/Cargo.toml", "[package]", &[1]),
        ],
    );
    hold(depends);
}

fn inherits(source: &Source) -> Vec<Finding> {
    if !is_member(source) {
        return Vec::new();
    }
    let facts = facts(source);
    let mut found = Vec::new();
    for (line, section, key, value) in &facts {
        let inherited = key.ends_with(".workspace") || value.contains("workspace = true");
        if is_dependency(section) && !inherited {
            found.push((*line, format!("{key}: its version stands in the workspace's Cargo.toml")));
        }
        if section.contains("dependencies.") {
            found.push((*line, format!("{section}: a dependency is one line")));
        }
    }
    for key in ["version", "edition", "rust-version", "license", "publish"] {
        if !facts.contains(&(
            line_of(source, &format!("{key}.workspace")),
            "package",
            &format!("{key}.workspace"),
            "true",
        )) {
            found.push((1, format!("{key} is the workspace's")));
        }
    }
    if !facts.iter().any(|(_, section, key, value)| (*section, *key, *value) == ("lints", "workspace", "true")) {
        found.push((1, "the lints are the workspace's".to_owned()));
    }
    found
}

fn line_of(source: &Source, start: &str) -> usize {
    source.text.lines().position(|line| line.starts_with(start)).map_or(0, |index| index + 1)
}

#[test]
fn crates_inherit_from_the_workspace() {
    let head = "[package]\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n";
    let with = |rest: &str| format!("{head}{rest}");
    let lints = "[lints]\nworkspace = true\n";
    catches(
        inherits,
        &[
            ("a/Cargo.toml", &with(lints), &[]),
            ("a/Cargo.toml", &with(""), &[1]),
            ("a/Cargo.toml", &with("[lints]\nworkspace = false"), &[1]),
            ("a/Cargo.toml", &with(lints).replace("edition.workspace = true", "edition = \"2024\""), &[1]),
            ("a/Cargo.toml", &with(&format!("{lints}[dependencies]\nserde = \"1\"\nbytes.workspace = true")), &[10]),
            ("a/Cargo.toml", &with(&format!("{lints}[dev-dependencies]\nserde = {{ version = \"1\" }}")), &[10]),
            (
                "a/Cargo.toml",
                &with(&format!("{lints}[dependencies]\nserde = {{ workspace = true, features = [] }}")),
                &[],
            ),
            ("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"", &[]),
        ],
    );
    hold(inherits);
}
