//! `dunlin nats-conf`: complete, commented configurations of a nats-server, with the permissions of each role.
//!
//! Passwords are not written: the configuration names environment variables, and nats-server does not start without them.

use std::{collections::BTreeSet, fmt::Write, net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};
use dunlin_nats::permissions::{Permissions, Role, bot_password_variable, bot_user};
use dunlin_schema::{RegionName, UserName, limits};

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
        /// A bot, which may hear what is live for this user, and nothing else; given once for each
        #[arg(long = "bot", value_name = "NAME")]
        bots: Vec<UserName>,
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
        Kind::Single { region, listen, leaf_listen, store, bots, sync_always } => {
            let store =
                store.to_str().ok_or_else(|| anyhow::anyhow!("--store: nats-server takes paths in UTF-8 alone"))?;
            let variables: BTreeSet<String> = bots.iter().map(bot_password_variable).collect();
            anyhow::ensure!(
                variables.len() == bots.len(),
                "--bot: two of the names have one variable for their passwords"
            );
            Ok(single(region, *listen, *leaf_listen, store, bots, *sync_always))
        }
        Kind::Leaf { region, listen } => Ok(leaf(region, *listen)),
    }
}

fn single(
    args: &RegionArgs,
    listen: SocketAddr,
    leaf_listen: Option<SocketAddr>,
    store: &str,
    bots: &[UserName],
    sync_always: bool,
) -> String {
    let RegionArgs { region, shards } = args;
    let sync = if sync_always {
        "  # Each write is synced before it is acknowledged: a power loss takes nothing.\n  sync_interval: always\n"
    } else {
        "  # Writes are synced every two minutes: a power loss can take what came since. \"always\" syncs each one.\n  # sync_interval: always\n"
    };
    let of = |role: Role| Permissions::of(role, region, *shards);
    let mut users = vec![
        User::of_role("gateway", of(Role::Gateway)),
        User::of_role("worker", of(Role::Worker)),
        User::of_role("operator", of(Role::Operator)),
    ];
    let leafnodes = leaf_listen.map_or_else(String::new, |listen| {
        users.push(User { responds: false, ..User::of_role("leaf", of(Role::Leaf)) });
        format!(
            "\n# Leaf nodes connect here, as the user `leaf` below.\nleafnodes {{\n  listen: \"{listen}\"\n  # tls {{ cert_file: \"…\", key_file: \"…\" }}\n}}\n"
        )
    });
    users.extend(bots.iter().map(User::of_bot));
    let mut text = format!(
        "# A nats-server that stores the whole Dunlin region `{region}`: written by `dunlin nats-conf single`, and yours to change.\n\
         # It does not start without these environment variables; a value that looks like a number needs quotes in it:\n#   {variables}\n\n\
         server_name: \"{region}-1\"\nlisten: \"{listen}\"\n# tls {{ cert_file: \"…\", key_file: \"…\" }}\n\n{PINGS}\n\
         jetstream {{\n  store_dir: {store}\n  # A region is a JetStream domain.\n  domain: \"{region}\"\n{sync}}}\n{leafnodes}\n\
         # Every role has a user of its own, which may say and hear what the role needs and nothing more. In the configuration of gateways\n\
         # `inbox_prefix` is \"_INBOX.gw\", in that of workers \"_INBOX.wk\"; an nkey can stand in place of user and password.\n\
         accounts {{\n  DUNLIN {{\n    jetstream: enabled\n    users: [\n",
        variables = users.iter().map(|user| user.variable.as_str()).collect::<Vec<_>>().join(", "),
        store = quoted(store),
    );
    for user in users {
        user.write(&mut text, "      ");
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
    User::of_role("gateway", Permissions::of(Role::Gateway, region, *shards)).write(&mut text, "    ");
    text.push_str("  ]\n}\n");
    text
}

const PINGS: &str =
    "# A connection that does not answer is given up after 20 s.\nping_interval: \"10s\"\nping_max: 2\n";

/// A user with what it may do.
struct User {
    name: String,
    /// The environment variable that has its password.
    variable: String,
    permissions: Permissions,
    /// Whether it may answer where it may not publish.
    responds: bool,
}

impl User {
    fn of_role(name: &str, permissions: Permissions) -> User {
        let variable = format!("NATS_{}_PASSWORD", name.to_ascii_uppercase());
        User { name: name.to_owned(), variable, permissions, responds: true }
    }

    fn of_bot(bot: &UserName) -> User {
        let (name, variable) = (bot_user(bot), bot_password_variable(bot));
        User { name, variable, permissions: Permissions::of_bot(bot), responds: true }
    }

    fn write(&self, text: &mut String, indent: &str) {
        let User { name, variable, permissions, responds } = self;
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
        if *responds {
            writeln!(text, "{indent}    allow_responses: {{ max: 1, expires: \"5s\" }}")
                .expect("a String takes any text");
        }
        writeln!(text, "{indent}}} }}").expect("a String takes any text");
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
