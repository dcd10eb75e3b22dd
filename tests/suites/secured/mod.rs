//! NATS servers that do not let everybody in: TLS, nkeys, JWTs, permissions by role, and what is said to whoever has the wrong ones.

mod bot;
mod configured;
mod credentials;
mod servers;
mod tls;
mod written;

use dunlin_nats::{ConnectError, ConnectOptions, Connection};
use dunlin_schema::RegionName;
use dunlin_tests::server::{NatsServer, ServerOptions};

/// A server with these lines in its configuration.
fn server_with(more: String) -> NatsServer {
    NatsServer::start_with(&ServerOptions { more, ..ServerOptions::default() })
}

fn options(server: &NatsServer) -> ConnectOptions {
    ConnectOptions { servers: vec![server.url()], ..ConnectOptions::default() }
}

async fn open(options: &ConnectOptions) -> Result<Connection, ConnectError> {
    Connection::open(options, &RegionName::new("local").expect("a name")).await
}

/// Sees that nobody is let in with these options, for good, and that what is said names each of these.
async fn refused(case: &str, options: &ConnectOptions, said: &[&str]) {
    let error = open(options).await.expect_err(case);
    assert!(matches!(error, ConnectError::Refused { .. }), "{case}: {error:?}");
    names(case, &error, said);
}

/// Sees that these options are given back before anybody is asked, with what is wrong in which file.
async fn unusable(case: &str, options: &ConnectOptions, said: &[&str]) {
    let error = open(options).await.expect_err(case);
    assert!(matches!(error, ConnectError::Options(_)), "{case}: {error:?}");
    names(case, &error, said);
}

fn names(case: &str, error: &ConnectError, said: &[&str]) {
    let text = error.to_string();
    for part in said {
        assert!(text.contains(part), "{case}: {part:?} is missing in: {text}");
    }
}
