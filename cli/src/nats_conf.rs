//! `dunlin nats-conf`: complete, commented configurations of a nats-server, with the permissions of each role.
//!
//! Passwords are not written: the configuration names environment variables, and nats-server does not start without them.

use std::{fmt::Write, net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};
use dunlin_nats::permissions::{Permissions, Role};
use dunlin_schema::{RegionName, limits};

/// Options of `dunlin nats-conf`.
#[derive(Debug, Args)]
pub struct NatsConfArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// One server that stores a whole region
    Single {
        #[command(flatten)]
        region: RegionArgs,
        /// Where clients of NATS connect: gateways and workers
        #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:4222")]
        listen: SocketAddr,
        /// Where leaf nodes connect; left out: nowhere
        #[arg(long, value_name = "ADDR")]
        leaf_listen: Option<SocketAddr>,
        /// Where JetStream stores
        #[arg(long, value_name = "DIR", default_value = "/var/lib/nats")]
        store: PathBuf,
        /// Sync each write to the disk, so that a power loss takes nothing; `sync_always` of the region's streams must say the same
        #[arg(long)]
        sync_always: bool,
    },
    /// A leaf node without JetStream, for gateways near their users
    Leaf {
        #[command(flatten)]
        region: RegionArgs,
        /// Where the gateways beside it connect
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4222")]
        listen: SocketAddr,
    },
}

#[derive(Debug, Args)]
struct RegionArgs {
    /// The region: its JetStream domain
    #[arg(long, default_value = "local")]
    region: RegionName,
    /// The region's shards
    #[arg(long, default_value_t = limits::SHARDS, value_parser = clap::value_parser!(u16).range(1..=i64::from(limits::SHARDS_MAX)))]
    shards: u16,
}

/// The configuration. Errors: a path that is not UTF-8.
pub fn text(args: &NatsConfArgs) -> anyhow::Result<String> {
    match &args.kind {
        Kind::Single { region, listen, leaf_listen, store, sync_always } => {
            let store =
                store.to_str().ok_or_else(|| anyhow::anyhow!("--store: nats-server takes paths in UTF-8 alone"))?;
            Ok(single(region, *listen, *leaf_listen, store, *sync_always))
        }
        Kind::Leaf { region, listen } => Ok(leaf(region, *listen)),
    }
}

fn single(
    args: &RegionArgs,
    listen: SocketAddr,
    leaf_listen: Option<SocketAddr>,
    store: &str,
    sync_always: bool,
) -> String {
    let RegionArgs { region, shards } = args;
    let sync = if sync_always {
        "  # Each write is synced before it is acknowledged: a power loss takes nothing.\n  sync_interval: always\n"
    } else {
        "  # Writes are synced every two minutes: a power loss can take what came since. \"always\" syncs each one.\n  # sync_interval: always\n"
    };
    let mut users = vec![
        ("NATS_GATEWAY_PASSWORD", "gateway", Role::Gateway),
        ("NATS_WORKER_PASSWORD", "worker", Role::Worker),
        ("NATS_OPERATOR_PASSWORD", "operator", Role::Operator),
    ];
    let leafnodes = leaf_listen.map_or_else(String::new, |listen| {
        users.push(("NATS_LEAF_PASSWORD", "leaf", Role::Leaf));
        format!(
            "\n# Leaf nodes connect here, as the user `leaf` below.\nleafnodes {{\n  listen: \"{listen}\"\n  # tls {{ cert_file: \"…\", key_file: \"…\" }}\n}}\n"
        )
    });
    let mut text = format!(
        "# A nats-server that stores the whole Dunlin region `{region}`: written by `dunlin nats-conf single`, and yours to change.\n\
         # It does not start without these environment variables; a value that looks like a number needs quotes in it:\n#   {variables}\n\n\
         server_name: \"{region}-1\"\nlisten: \"{listen}\"\n# tls {{ cert_file: \"…\", key_file: \"…\" }}\n\n{PINGS}\n\
         jetstream {{\n  store_dir: {store}\n  # A region is a JetStream domain.\n  domain: \"{region}\"\n{sync}}}\n{leafnodes}\n\
         # Every role has a user of its own, which may say and hear what the role needs and nothing more. In the configuration of gateways\n\
         # `inbox_prefix` is \"_INBOX.gw\", in that of workers \"_INBOX.wk\"; an nkey can stand in place of user and password.\n\
         accounts {{\n  DUNLIN {{\n    jetstream: enabled\n    users: [\n",
        variables = users.iter().map(|(variable, ..)| *variable).collect::<Vec<_>>().join(", "),
        store = quoted(store),
    );
    for (variable, name, role) in users {
        user(&mut text, "      ", variable, name, &Permissions::of(role, region, *shards), role);
    }
    text.push_str("    ]\n  }\n}\n");
    text
}

fn leaf(args: &RegionArgs, listen: SocketAddr) -> String {
    let RegionArgs { region, shards } = args;
    let mut text = format!(
        "# A leaf node of the Dunlin region `{region}`, for gateways near their users: written by `dunlin nats-conf leaf`, and yours to change.\n\
         # It stores nothing. It does not start without these environment variables:\n\
         #   NATS_HUB: where the region's servers take leaf nodes, as in nats-leaf://leaf:PASSWORD@hub.example:7422\n\
         #   NATS_GATEWAY_PASSWORD: the password of the gateways beside it\n\n\
         server_name: \"{region}-edge\"\nlisten: \"{listen}\"\n\n{PINGS}\n\
         leafnodes {{\n  # The time between two tries to join.\n  reconnect: \"1s\"\n  # One hub is joined; of several addresses in the list another one is taken when it is gone.\n\
         \x20 remotes: [ {{ urls: [ $NATS_HUB ] }} ]\n}}\n\n\
         # In the configuration of gateways `inbox_prefix` is \"_INBOX.gw\".\nauthorization {{\n  users: [\n",
    );
    let permissions = Permissions::of(Role::Gateway, region, *shards);
    user(&mut text, "    ", "NATS_GATEWAY_PASSWORD", "gateway", &permissions, Role::Gateway);
    text.push_str("  ]\n}\n");
    text
}

const PINGS: &str =
    "# A connection that does not answer is given up after 20 s.\nping_interval: \"10s\"\nping_max: 2\n";

/// A user with what it may do.
fn user(text: &mut String, indent: &str, variable: &str, name: &str, permissions: &Permissions, role: Role) {
    let list = |text: &mut String, what: &str, subjects: &[String]| {
        writeln!(text, "{indent}    {what}: [").expect("a String takes any text");
        for subject in subjects {
            writeln!(text, "{indent}      {}", quoted(subject)).expect("a String takes any text");
        }
        writeln!(text, "{indent}    ]").expect("a String takes any text");
    };
    writeln!(text, "{indent}{{ user: \"{name}\", password: ${variable}, permissions {{")
        .expect("a String takes any text");
    list(text, "publish", &permissions.publish);
    list(text, "subscribe", &permissions.subscribe);
    if role != Role::Leaf {
        writeln!(text, "{indent}    allow_responses: {{ max: 1, expires: \"5s\" }}").expect("a String takes any text");
    }
    writeln!(text, "{indent}}} }}").expect("a String takes any text");
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
