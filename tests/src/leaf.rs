//! A nats-server at the edge: a leaf node without JetStream, joined to its region's servers through links that can be cut.

use crate::{
    link::Link,
    server::{NatsServer, ServerOptions},
    wait::until,
};

/// What the configuration of a server needs that leaves join. It tells them no other way to itself than the link.
pub const HUB: &str = "http: \"127.0.0.1:-1\"\nping_interval: \"2s\"\nping_max: 2\n\
                       leafnodes { listen: \"127.0.0.1:-1\", no_advertise: true }";

/// A leaf node.
pub struct Leaf {
    /// The leaf's own server.
    pub server: NatsServer,
    /// The links to the hubs, in their order.
    pub links: Vec<Link>,
}

impl Leaf {
    /// A leaf that may join any of these hubs, whose configurations have [`HUB`]; it has joined one.
    pub async fn of(hubs: impl IntoIterator<Item = &NatsServer>) -> Leaf {
        let mut links = vec![];
        for hub in hubs {
            let port = hub.monitored("/varz").await["leaf"]["port"].as_u64().expect("a port for leaves");
            links.push(Link::to(u16::try_from(port).expect("a port")).await);
        }
        let urls: Vec<_> = links.iter().map(Link::url).collect();
        let more = format!(
            "http: \"127.0.0.1:-1\"\nping_interval: \"2s\"\nping_max: 2\nleafnodes {{ reconnect: 1, remotes: [{{ urls: {urls:?} }}] }}"
        );
        let options = ServerOptions { name: "leaf".into(), jetstream: false, more, ..ServerOptions::default() };
        let leaf = Leaf { server: NatsServer::start_with(&options), links };
        until("the leaf to join its hub", async || (leaf.uplinks().await == 1).then_some(())).await;
        leaf
    }

    /// How many hubs it is joined to: one, or none while it is cut off.
    pub async fn uplinks(&self) -> usize {
        self.server.monitored("/leafz").await["leafnodes"].as_u64().map_or(0, |count| count as usize)
    }

    /// The hub that it has joined, by its place among the links.
    pub async fn hub(&self) -> usize {
        until("a hub", async || {
            let leafs = self.server.monitored("/leafz").await;
            let port = leafs["leafs"][0]["port"].as_u64()?;
            self.links.iter().position(|link| link.url().ends_with(&format!(":{port}")))
        })
        .await
    }
}
