//! Names and their tokens, signed before anything is measured.

use std::{path::Path, time::Duration};

use dunlin_schema::UserName;

use crate::{
    folder::Folder,
    keys::{self, Wanted},
    span::Span,
};

/// The names `<prefix>000000`, `<prefix>000001`, …, each with a token that the key in `folder` (as `dunlin dev` has one) signs.
pub(super) fn people(prefix: &str, count: usize, folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let (folder, ttl) = (Folder::create(folder)?, Span(Duration::from_secs(3_600)));
    names(prefix, count)
        .map(|name| {
            let user = UserName::new(&name)?;
            let token = keys::sign(&folder, &Wanted { user: &user, ttl, device: None, scope: None, at: None })?;
            Ok((name, token))
        })
        .collect()
}

/// The same names without tokens, for a relay.
pub(super) fn strangers(prefix: &str, count: usize) -> Vec<(String, String)> {
    names(prefix, count).map(|name| (name, String::new())).collect()
}

/// The names alone.
pub(super) fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{prefix}{number:06}"))
}

/// The address of the group with this number.
pub(super) fn group(number: usize) -> String {
    format!("#bench{number:05}")
}
