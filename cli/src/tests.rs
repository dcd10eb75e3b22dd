//! What the commands offer: no option that a command does not use.

use super::*;

#[test]
fn only_what_listens_is_told_where() {
    for (command, listens) in [("dev", true), ("gateway", true), ("worker", true), ("provision", false)] {
        let parsed = Cli::try_parse_from(["dunlin", command, "--listen", "127.0.0.1:0"]);
        assert_eq!(parsed.is_ok(), listens, "{command}");
    }
    Cli::try_parse_from(["dunlin", "provision", "--config", "worker.toml"]).unwrap();
}
