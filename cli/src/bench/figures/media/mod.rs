//! Files: how fast they move, what many at once take, and what a picture costs.

mod beside;
mod many;
mod moved;
mod preview;

use super::{Figure, Scale};
use crate::bench::report::Row;

const MIB: usize = 1 << 20;

/// Measures those that are wanted.
pub(super) fn run(scale: &Scale, wanted: impl Fn(&[Figure]) -> bool) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    if wanted(&[Figure::Files]) {
        rows.extend(moved::run(scale)?);
    }
    if wanted(&[Figure::Preview]) {
        rows.push(preview::run()?);
    }
    if wanted(&[Figure::Uploads]) {
        rows.push(many::run(scale)?);
    }
    if wanted(&[Figure::BesideUploads]) {
        rows.push(beside::run(scale)?);
    }
    Ok(rows)
}
