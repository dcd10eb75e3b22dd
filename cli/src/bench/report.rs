//! The table that is printed: goal, floor, ours, floor, ratio, and what voids a figure.

use std::io::{self, Write as _};

use super::{exchange::Faults, generator};

/// One figure.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) goal: String,
    /// Before and after ours, where the figure has a floor.
    pub(super) floor: Option<(String, String)>,
    pub(super) ours: String,
    pub(super) ratio: Option<f64>,
    /// The highest share of its core that the generator used in the runs of this figure.
    pub(super) generator: Option<f64>,
    pub(super) verdict: Verdict,
    /// What else was seen.
    pub(super) notes: Vec<String>,
}

/// What a figure is worth.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Reached,
    Missed,
    /// For comparison only.
    Shown,
    /// The generator used too much of its core.
    Void,
    /// Something was refused, lost or repeated.
    Invalid(String),
}

/// The verdict of a figure: invalid and void before reached or missed.
pub(super) fn verdict(reached: bool, generators: &[f64], faults: &[&Faults]) -> Verdict {
    if let Some(why) = faults.iter().find_map(|faults| faults.why()) {
        Verdict::Invalid(why)
    } else if generators.iter().any(|share| *share > generator::MOST) {
        Verdict::Void
    } else if reached {
        Verdict::Reached
    } else {
        Verdict::Missed
    }
}

/// The verdict of a figure without a goal: it can be invalid or void, and is neither reached nor missed.
pub(super) fn shown(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Reached | Verdict::Missed | Verdict::Shown => Verdict::Shown,
        Verdict::Void => Verdict::Void,
        Verdict::Invalid(why) => Verdict::Invalid(why),
    }
}

/// Prints the table as Markdown, then the notes.
pub(super) fn print(rows: &[Row]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{}\n", machine())?;
    writeln!(
        out,
        "| what | goal | floor | ours | floor again | ratio | generator | verdict |\n|---|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        let (before, after) = row.floor.clone().unwrap_or_else(|| ("-".into(), "-".into()));
        let ratio = row.ratio.map_or("-".into(), |ratio| format!("{ratio:.2} x"));
        let generator = row.generator.map_or("-".into(), |share| format!("{:.0} %", share * 100.0));
        let verdict = match &row.verdict {
            Verdict::Reached => "reached".into(),
            Verdict::Missed => "MISSED".into(),
            Verdict::Shown => "shown".into(),
            Verdict::Void => "VOID: the generator used too much of its core".into(),
            Verdict::Invalid(why) => format!("INVALID: {}", why.replace(['|', '\n', '\r'], " ")),
        };
        let Row { what, goal, ours, .. } = row;
        writeln!(out, "| {what} | {goal} | {before} | {ours} | {after} | {ratio} | {generator} | {verdict} |")?;
    }
    writeln!(out)?;
    for row in rows {
        for note in &row.notes {
            writeln!(out, "- {}: {note}", row.what)?;
        }
    }
    Ok(())
}

/// The machine in one line.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let model = model.trim_start_matches([' ', '\t', ':']);
    format!("{cores} cores, {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
