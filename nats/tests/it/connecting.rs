//! Connecting: credentials, versions, losses.

use dunlin_nats::{ConnectError, ConnectOptions, Connection, Credentials, PublishError, Publisher, Status, raw};

use crate::support::{Link, Server, options, region, soon};

#[tokio::test]
async fn a_supported_server_lets_us_in_and_is_named() {
    let server = Server::start();
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    assert!(!connection.server().id.is_empty());
    assert_eq!(connection.server().cluster, None);
    connection.flush().await.unwrap();
}

#[tokio::test]
async fn nobody_listening_is_said_with_the_address() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Connection::open(&options(port), &region()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test]
async fn an_old_server_is_refused_with_both_versions() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // A server of Debian's release, as far as a client sees it while connecting.
    let old = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = BufReader::new(socket);
        let info = br#"INFO {"server_id":"OLD","server_name":"old-one","version":"2.9.10","host":"127.0.0.1","port":4222,"max_payload":1048576,"proto":1,"headers":true}"#;
        socket.write_all(info).await.unwrap();
        socket.write_all(b"\r\n").await.unwrap();
        let mut line = String::new();
        while socket.read_line(&mut line).await.unwrap() > 0 {
            if line.starts_with("PING") {
                socket.write_all(b"PONG\r\n").await.unwrap();
            }
            line.clear();
        }
    });
    let error = soon("the refusal", Connection::open(&options(port), &region())).await.unwrap_err();
    old.abort();
    assert!(matches!(error, ConnectError::Version { .. }), "{error:?}");
    for part in ["old-one", "2.9.10", "2.12.12", "2.14.3"] {
        assert!(error.to_string().contains(part), "{part} is missing in: {error}");
    }
}

#[tokio::test]
async fn credentials_are_asked_for_and_taken() {
    let seed = "SUAEL6GG2L2HIF7DUGZJGMRUFKXELGGYFMHF76UO2AYBG3K4YLWR3FKC2Q";
    let server = Server::start_with("authorization { users: [ { user: u, password: p } ] }");
    let with = |credentials| ConnectOptions { credentials: Some(credentials), ..server.options() };
    let password = |password: &str| Credentials::UserPassword { user: "u".to_owned(), password: password.to_owned() };
    Connection::open(&with(password("p")), &region()).await.unwrap();
    for wrong in [Some(password("q")), Some(Credentials::Token("p".to_owned())), None] {
        let options = ConnectOptions { credentials: wrong.clone(), ..server.options() };
        let refused = Connection::open(&options, &region()).await;
        assert!(matches!(refused, Err(ConnectError::Refused { .. })), "{wrong:?}: {refused:?}");
    }

    let public = "UD6OU4D3CIOGIDZVL4ANXU3NWXOW5DCDE2YPZDBHPBXCVKHSODUA4FKI";
    let server = Server::start_with(&format!("authorization {{ users: [ {{ nkey: {public} }} ] }}"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seed");
    std::fs::write(&file, format!("# the gateway's\n{seed}\n")).unwrap();
    let options = ConnectOptions { credentials: Some(Credentials::NkeySeedFile(file)), ..server.options() };
    Connection::open(&options, &region()).await.unwrap();
    let missing = Credentials::NkeySeedFile(folder.path().join("nowhere"));
    let error = Connection::open(&ConnectOptions { credentials: Some(missing), ..server.options() }, &region()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Options(_)) && error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn half_a_certificate_is_no_setting() {
    let mut options = options(1);
    options.tls.cert = Some("cert.pem".into());
    let error = Connection::open(&options, &region()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Options(_)), "{error:?}");
}

#[tokio::test]
async fn a_cut_shows_and_is_a_loss_once_mended() {
    let server = Server::start();
    let link = Link::to(server.port()).await;
    let connection = Connection::open(&link.options(), &region()).await.unwrap();
    let (mut status, mut losses) = (connection.status(), connection.losses());
    assert_eq!((*status.borrow(), *losses.borrow()), (Status::Connected, 0));
    link.cut();
    soon("the cut", status.wait_for(|status| *status == Status::Disconnected)).await.unwrap();
    assert_eq!(connection.flush().await, Err(PublishError::Unanswered));
    assert_eq!(*losses.borrow(), 0, "a loss is told when there is something to compare with");
    link.mend();
    soon("the connection", status.wait_for(|status| *status == Status::Connected)).await.unwrap();
    soon("the loss", losses.wait_for(|losses| *losses == 1)).await.unwrap();
    connection.flush().await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_takes_no_other_with_it() {
    let server = Server::start_with("max_payload: 1024");
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    let mut bob = raw::Listener::open(&connection, "user.bob".to_owned()).await.unwrap();
    connection.flush().await.unwrap();
    let publisher = Publisher::open(&server.options()).await.unwrap();
    for (size, sent) in [(1, Ok(())), (2_000, Err(PublishError::Unanswered)), (1_024, Ok(()))] {
        assert_eq!(publisher.publish("user.bob", &vec![0; size]).await, sent, "{size}");
    }
    publisher.flush().await.unwrap();
    for size in [1, 1_024] {
        assert_eq!(soon("a message", bob.next()).await.unwrap().len(), size);
    }
}

#[tokio::test]
async fn what_is_published_while_a_connection_is_lost_goes_out_on_the_next_one() {
    let server = Server::start();
    let connection = Connection::open(&server.options(), &region()).await.unwrap();
    let mut bob = raw::Listener::open(&connection, "user.bob".to_owned()).await.unwrap();
    connection.flush().await.unwrap();
    let link = Link::to(server.port()).await;
    let publisher = Publisher::open(&link.options()).await.unwrap();
    publisher.publish("user.bob", b"before").await.unwrap();
    publisher.flush().await.unwrap();
    link.cut();
    soon("the loss", async { while publisher.flush().await.is_ok() {} }).await;
    let (sent, ()) = tokio::join!(publisher.publish("user.bob", b"after"), async { link.mend() });
    sent.unwrap();
    publisher.flush().await.unwrap();
    for text in ["before", "after"] {
        assert_eq!(soon("a message", bob.next()).await.unwrap(), text);
    }
}
