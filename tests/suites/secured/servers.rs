//! Several addresses: whoever of them is there is enough.

use dunlin_nats::ConnectOptions;
use dunlin_tests::server::NatsServer;

use super::{open, options};

/// An address where nobody listens.
fn away() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("nats://{}", listener.local_addr().expect("its address"))
}

#[tokio::test]
async fn one_of_several_servers_is_enough_wherever_it_stands() {
    let server = NatsServer::start();
    for _ in 0..8 {
        for servers in [vec![away(), server.url()], vec![server.url(), away()], vec![away(), away(), server.url()]] {
            let connection =
                open(&ConnectOptions { servers, ..options(&server) }).await.expect("the one that is there");
            assert!(!connection.server().id.is_empty());
        }
    }
}
