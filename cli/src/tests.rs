//! What the commands offer: no option that a command does not use, and none that the documentation does not name.

use std::collections::BTreeSet;

use clap::Arg;

use super::*;

#[test]
fn only_what_listens_is_told_where() {
    for (command, listens) in [("dev", true), ("gateway", true), ("worker", true), ("provision", false)] {
        let parsed = Cli::try_parse_from(["dunlin", command, "--listen", "127.0.0.1:0"]);
        assert_eq!(parsed.is_ok(), listens, "{command}");
    }
    Cli::try_parse_from(["dunlin", "provision", "--config", "worker.toml"]).unwrap();
}

#[test]
fn whoever_says_an_option_before_a_command_is_shown_where_it_stands() {
    for (said, meant) in [
        ("devices --as bob remove phone", "dunlin devices remove [OPTIONS] --as <USER> <DEVICE>"),
        ("token --ttl 5m check -", "dunlin token check [OPTIONS] <TOKEN>"),
    ] {
        let error = Cli::try_parse_from(["dunlin"].into_iter().chain(said.split(' '))).unwrap_err().to_string();
        assert!(error.contains(meant), "{said}: {error}");
    }
}

/// An option of a command: the command (`all` for all of them), the option with its value, its variable, its default. Where the command
/// finds a default for itself there is none here.
type Offered = (String, String, Option<String>, Option<String>);

fn offered() -> BTreeSet<Offered> {
    let mut cli = Cli::command();
    cli.build();
    let mut offered: BTreeSet<_> =
        cli.get_arguments().filter(|arg| arg.is_global_set()).filter_map(|arg| option("all", arg)).collect();
    for command in cli.get_subcommands() {
        let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
        let inner = inner.map(|inner| (format!("{} {}", command.get_name(), inner.get_name()), inner));
        for (name, command) in [(command.get_name().to_owned(), command)].into_iter().chain(inner) {
            let own = command.get_arguments().filter(|arg| !arg.is_global_set());
            offered.extend(own.filter_map(|arg| option(&name, arg)));
        }
    }
    offered
}

fn option(command: &str, arg: &Arg) -> Option<Offered> {
    let name = arg.get_long().filter(|name| !["help", "version"].contains(name))?;
    let takes = arg.get_action().takes_values().then(|| arg.get_value_names()).flatten();
    let values = takes.into_iter().flatten().map(|value| format!(" {value}"));
    let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
    let default = takes.and_then(|_| arg.get_default_values().first());
    let default = default.map(|value| value.to_string_lossy().into_owned());
    Some((command.to_owned(), format!("--{name}{}", values.collect::<String>()), variable, default))
}

/// The words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The rows of the documentation's table of options, one for each command. A default in words is one that the command finds for itself.
fn documented() -> Vec<Offered> {
    let text = include_str!("../../docs/CONFIGURATION.md");
    let mut documented = Vec::new();
    for row in text.lines().filter(|line| line.starts_with("| `--")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [option, of, variable, default, _] = cells[..] else { panic!("{row} has five cells") };
        let commands = if of == "all" { vec!["all".to_owned()] } else { quoted(of).collect() };
        let only = |cell: &str| quoted(cell).next().filter(|word| cell == format!("`{word}`"));
        for command in commands {
            let option = only(option).unwrap_or_else(|| panic!("{row} begins with an option"));
            documented.push((command, option, only(variable), only(default)));
        }
    }
    documented
}

#[test]
fn the_documentation_names_every_option_with_its_variable_and_default() {
    let (offered, documented) = (offered(), documented());
    let distinct: BTreeSet<_> = documented.iter().cloned().collect();
    let missing: Vec<_> = offered.difference(&distinct).collect();
    let stale: Vec<_> = distinct.difference(&offered).collect();
    assert!(missing.is_empty() && stale.is_empty(), "not documented: {missing:#?}, not offered: {stale:#?}");
    assert_eq!(documented.len(), distinct.len(), "each option once");
}
