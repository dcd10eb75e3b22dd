//! `dunlin bench`: figures with a floor and without, of people and of groups.

use super::{dunlin, output, stderr, stdout};

#[test]
fn figures_are_measured_and_nothing_is_lost_meanwhile() {
    let output = output(&mut dunlin(&["bench", "--quick", "--only", "catch-up,fan-out"]));
    let (table, said) = (stdout(&output), stderr(&output));
    assert!(output.status.success() && !table.contains("INVALID"), "{table}{said}");
    let ours = |row: &str| row.split('|').nth(4).and_then(|ours| ours.split_whitespace().next()?.parse::<f64>().ok());
    for (what, count) in [("| catch-up", 2), ("| group of", 4)] {
        let measured = table.lines().filter(|line| line.starts_with(what)).filter_map(ours).filter(|ours| *ours > 0.0);
        assert_eq!(measured.count(), count, "{what}: {table}{said}");
    }
}
