//! Several nats-servers that are one cluster: who leads a stream, and who is made to. They are told from each other by their names.

use std::net::TcpListener;

use async_nats::jetstream::{Context, stream::Config};
use rand::Rng;
use serde_json::{Value, json};

use crate::{
    link::Link,
    server::{NatsServer, ServerOptions},
    wait::until,
};

/// Starts `count` servers, at least three, that are one cluster, and waits until it stores streams. Their names are `<name>-0` and so on.
/// The links carry all that the last one says to the others, and hears from them.
pub async fn start(options: &ServerOptions, count: usize) -> (Vec<NatsServer>, Vec<Link>) {
    let ports = free_ports(count);
    let (mut servers, mut links) = (vec![], vec![]);
    for (number, port) in ports.iter().enumerate() {
        let mut routes = vec![];
        for (other, to) in ports.iter().enumerate().filter(|(other, _)| *other != number) {
            if number.max(other) == count - 1 {
                links.push(Link::to(*to).await);
                routes.push(links[links.len() - 1].url());
            } else {
                routes.push(format!("nats://127.0.0.1:{to}"));
            }
        }
        let routes = routes.join(", ");
        // Nobody listens where they say that they can be reached, so that there are no routes but the named ones.
        let cluster =
            format!("name: test, listen: \"127.0.0.1:{port}\", advertise: \"127.0.0.1:1\", routes: [{routes}]");
        servers.push(NatsServer::start_with(&ServerOptions {
            name: format!("{}-{number}", options.name),
            more: format!("{}\ncluster {{ {cluster} }}", options.more),
            ..options.clone()
        }));
    }
    let jetstream = jetstream(&servers, &options.domain).await;
    let probe = || Config { name: "probe".into(), num_replicas: count.min(5), ..Config::default() };
    until("the cluster to store a stream", async || jetstream.create_stream(probe()).await.ok()).await;
    until("the probe to be gone", async || jetstream.delete_stream("probe").await.ok()).await;
    (servers, links)
}

/// Routes name the ports of servers that do not run yet, so none of them can be chosen by its server. They lie below those that a system
/// gives to whoever asks for any port, so that nobody who does is given one meanwhile.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let mut listeners: Vec<TcpListener> = vec![];
    while listeners.len() < count {
        listeners.extend(TcpListener::bind(("127.0.0.1", rand::rng().random_range(20_000..32_000))));
    }
    listeners.iter().map(|listener| listener.local_addr().expect("its address").port()).collect()
}

/// JetStream itself, through whichever of these servers runs.
pub async fn jetstream<'a>(servers: impl IntoIterator<Item = &'a NatsServer>, domain: &str) -> Context {
    let running = servers.into_iter().filter(|server| server.pid().is_some());
    let urls: Vec<String> = running.map(NatsServer::url).collect();
    let client = async_nats::connect(urls).await.expect("a connection");
    async_nats::jetstream::with_domain(client, domain)
}

/// The server that leads a stream, once there is one.
pub async fn leader(jetstream: &Context, stream: &str) -> String {
    until("a leader", async || {
        let found = jetstream.get_stream(stream).await.ok()?;
        found.cached_info().cluster.as_ref()?.leader.clone()
    })
    .await
}

/// The servers that store a stream and do not lead it.
pub async fn followers(jetstream: &Context, stream: &str) -> Vec<String> {
    let found = jetstream.get_stream(stream).await.expect("the stream");
    let cluster = found.cached_info().cluster.as_ref().expect("a cluster");
    cluster.replicas.iter().map(|replica| replica.name.clone()).collect()
}

/// Makes a server lead a stream.
pub async fn lead(jetstream: &Context, stream: &str, server: &str) {
    until("the wanted leader", async || {
        if leader(jetstream, stream).await == server {
            return Some(());
        }
        let wanted = json!({ "placement": { "preferred": server } });
        let asked: Result<Value, _> = jetstream.request(format!("STREAM.LEADER.STEPDOWN.{stream}"), &wanted).await;
        asked.ok().and(None)
    })
    .await;
}
