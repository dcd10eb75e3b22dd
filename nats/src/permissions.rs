//! What each role may say to NATS and hear from it: allow lists, written into the configuration of a nats-server.
//!
//! They are the second fence behind the parsers of `schema`: against mistakes and strangers, not against a gateway that was taken over. The
//! server of the region maps JetStream's domain before it checks, a leaf's connection is checked as it asks: so both forms of each call are
//! listed. A token of a subject can't be half a wildcard, so there is a line for each shard.

use dunlin_schema::{
    Peer, RegionName, Shard, UserName,
    stream::{log_stream, receipts_stream, state_stream},
    subject::{self, pattern},
};

/// Who connects to a nats-server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A gateway; its `inbox_prefix` is `_INBOX.gw`.
    Gateway,
    /// A worker; its `inbox_prefix` is `_INBOX.wk`.
    Worker,
    /// Who makes the region's streams and looks at them: `dunlin provision`, `dunlin doctor`; with `_INBOX.op`.
    Operator,
    /// A leaf node without JetStream, on behalf of the gateways beside it.
    Leaf,
}

impl Role {
    /// What the answers to its questions are addressed to.
    pub fn inbox_prefix(self) -> &'static str {
        match self {
            Role::Gateway | Role::Leaf => "_INBOX.gw",
            Role::Worker => "_INBOX.wk",
            Role::Operator => "_INBOX.op",
        }
    }
}

/// What a role may publish and subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects it may publish to.
    pub publish: Vec<String>,
    /// Subjects it may subscribe to.
    pub subscribe: Vec<String>,
}

impl Permissions {
    /// What `role` may do in a region of `shards` shards.
    pub fn of(role: Role, region: &RegionName, shards: u16) -> Permissions {
        let mut allowed = Allowed { region, shards, publish: Vec::new() };
        let inbox = format!("{}.>", role.inbox_prefix());
        let subscribe = match role {
            Role::Gateway | Role::Leaf => {
                allowed.gateway();
                vec![
                    inbox.clone(),
                    pattern::LIVE_USERS.into(),
                    pattern::LIVE_GROUPS.into(),
                    pattern::PRESENCE.into(),
                    subject::gateways(region),
                ]
            }
            Role::Worker => {
                allowed.worker();
                vec![inbox.clone(), pattern::services(region), "$SRV.>".into()]
            }
            Role::Operator => {
                allowed.operator();
                vec![inbox.clone()]
            }
        };
        // A gateway answers by a right to respond, which a leaf's connection does not have.
        if role == Role::Leaf {
            allowed.publish.push(inbox);
        }
        Permissions { publish: allowed.publish, subscribe }
    }
}

impl Permissions {
    /// What a bot may do: hear what is live for itself, and answer whoever asks it something. It sends over HTTP.
    pub fn of_bot(bot: &UserName) -> Permissions {
        let inbox = format!("{}.>", Permissions::bot_inbox(bot));
        // Beside its own inbox it may publish to nobody: an empty list would mean to everybody.
        Permissions { publish: vec![inbox.clone()], subscribe: vec![inbox, subject::live(&Peer::User(bot.clone()))] }
    }

    /// What the answers to a bot's questions are addressed to.
    pub fn bot_inbox(bot: &UserName) -> String {
        format!("_INBOX.{}", bot_user(bot))
    }
}

/// As whom a bot connects.
pub fn bot_user(bot: &UserName) -> String {
    format!("bot-{bot}")
}

/// The environment variable that has a bot's password, for the server and for the bot.
pub fn bot_password_variable(bot: &UserName) -> String {
    format!("NATS_BOT_{}_PASSWORD", bot.as_str().to_ascii_uppercase().replace('-', "_"))
}

struct Allowed<'a> {
    region: &'a RegionName,
    shards: u16,
    publish: Vec<String>,
}

impl Allowed<'_> {
    fn gateway(&mut self) {
        let region = self.region;
        self.publish.extend([
            pattern::mailboxes(region),
            pattern::receipts(region),
            pattern::group_receipts(region),
            pattern::LIVE_USERS.into(),
            pattern::LIVE_GROUPS.into(),
            pattern::PRESENCE.into(),
            subject::gateways(region),
            pattern::services(region),
        ]);
        for shard in (0..self.shards).map(Shard) {
            let (log, state) = (log_stream(region, shard), state_stream(region, shard));
            for stream in [&log, &state] {
                self.api(&format!("DIRECT.GET.{stream}"));
                self.api(&format!("DIRECT.GET.{stream}.>"));
                self.api(&format!("STREAM.MSG.GET.{stream}"));
            }
            // It watches settings and revocations.
            for call in ["CREATE", "DELETE", "INFO", "MSG.NEXT"] {
                self.api(&format!("CONSUMER.{call}.{state}.>"));
            }
            self.api(&format!("CONSUMER.CREATE.{state}"));
            // What `dunlin doctor` looks at beside a gateway.
            for stream in [&log, &state, &receipts_stream(region, shard)] {
                self.api(&format!("STREAM.INFO.{stream}"));
            }
        }
    }

    fn worker(&mut self) {
        let region = self.region;
        self.publish.extend([
            pattern::mailboxes(region),
            pattern::group_logs(region),
            pattern::records(region),
            pattern::LIVE_USERS.into(),
            pattern::LIVE_GROUPS.into(),
            pattern::services(region),
        ]);
        self.api("STREAM.INFO.*");
        self.api("STREAM.MSG.GET.*");
        self.api("DIRECT.GET.>");
        for shard in (0..self.shards).map(Shard) {
            let (state, receipts) = (state_stream(region, shard), receipts_stream(region, shard));
            let log = log_stream(region, shard);
            // What was deleted is erased; one device's record makes room for another one's.
            self.api(&format!("STREAM.MSG.DELETE.{log}"));
            self.api(&format!("STREAM.MSG.DELETE.{state}"));
            for stream in [&log, &state, &receipts] {
                for call in ["CREATE", "DELETE", "INFO", "MSG.NEXT"] {
                    self.api(&format!("CONSUMER.{call}.{stream}.>"));
                }
                self.api(&format!("CONSUMER.CREATE.{stream}"));
            }
            // The subject of an acknowledgement carries the domain where the server's feature flag says so.
            self.publish.extend([format!("$JS.ACK.{receipts}.>"), format!("$JS.ACK.{region}.*.{receipts}.>")]);
        }
    }

    fn operator(&mut self) {
        self.publish.push(pattern::services(self.region));
        for call in ["STREAM.CREATE.*", "STREAM.INFO.*", "STREAM.MSG.GET.*", "DIRECT.GET.>"] {
            self.api(call);
        }
    }

    fn api(&mut self, call: &str) {
        self.publish.extend([format!("$JS.API.{call}"), format!("$JS.{}.API.{call}", self.region)]);
    }
}
