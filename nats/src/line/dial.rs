//! How a line is made: the first of the servers that lets us in.

use std::{io, net::SocketAddr, sync::Arc};

use async_nats::{
    ConnectError as Failure, ConnectErrorKind as Kind, ConnectInfo, Protocol, ServerAddr, ServerInfo,
    rustls::pki_types::ServerName,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::{Buf, BytesMut};
use rand::seq::SliceRandom;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Line, Stream};
use crate::{
    ConnectError, ConnectOptions,
    connect::{CONNECT_TIMEOUT, check_version, failure, pause},
    wire::{self, Said, Step},
};

/// What a line is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// Added to the name that the servers show.
    pub(crate) suffix: &'static str,
    /// Whether what is published on it comes back on its own subscriptions.
    pub(crate) echo: bool,
}

/// Makes a line to the first of the servers, in any order, that lets us in. Errors: see [`ConnectError`].
pub(crate) async fn dial(options: &ConnectOptions, purpose: &Purpose) -> Result<Line, ConnectError> {
    let who = options.who().await?;
    let mut servers = options.servers.clone();
    servers.shuffle(&mut rand::rng());
    let mut failed = Failure::new(Kind::Io);
    for server in &servers {
        match try_server(options, purpose, server).await {
            Ok(line) => {
                check_version(&line.server)?;
                return Ok(line);
            }
            Err(failure) => {
                tracing::debug!(%failure, "no line to a NATS server");
                failed = failure;
                // A server that does not let us in is not one that is away.
                if matches!(failed.kind(), Kind::Authentication | Kind::AuthorizationViolation) {
                    break;
                }
            }
        }
    }
    Err(failure::told(&options.servers, who.as_deref(), &failed))
}

/// Makes a line, however long it takes.
pub(crate) async fn redial(options: &ConnectOptions, purpose: &Purpose) -> Line {
    for attempt in 0.. {
        // Before the first one, too: many lost the same server.
        tokio::time::sleep(pause(attempt)).await;
        match dial(options, purpose).await {
            Ok(line) => return line,
            Err(error) => tracing::debug!(suffix = purpose.suffix, %error, "no connection to NATS yet"),
        }
    }
    unreachable!("attempts do not end")
}

async fn try_server(options: &ConnectOptions, purpose: &Purpose, server: &str) -> Result<Line, Failure> {
    let server: ServerAddr = server.parse().map_err(|error| Failure::with_source(Kind::ServerParse, error))?;
    let addresses = server.socket_addrs().await.map_err(|error| Failure::with_source(Kind::Dns, error))?;
    let mut failed = Failure::with_source(Kind::Dns, "its name has no address");
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, try_address(options, purpose, &server, address)).await {
            Ok(Ok(line)) => return Ok(line),
            Ok(Err(failure)) => failed = failure,
            Err(_) => failed = Failure::new(Kind::TimedOut),
        }
    }
    Err(failed)
}

async fn try_address(
    options: &ConnectOptions,
    purpose: &Purpose,
    server: &ServerAddr,
    address: SocketAddr,
) -> Result<Line, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut inbound = BytesMut::new();
    let Greeting::Info(mut info) = heard(&mut stream, &mut inbound).await? else {
        return Err(Failure::with_source(Kind::Io, "it does not begin with INFO"));
    };
    let tls_wanted = options.tls_required() || server.tls_required();
    let mut stream = if tls_wanted || info.tls_required {
        // It would be taken for what the server says through TLS, and may be anybody's.
        if !inbound.is_empty() {
            return Err(Failure::with_source(Kind::Tls, "it says more than INFO before TLS begins"));
        }
        Stream::Tls(Box::new(secured(options, server, stream).await?))
    } else {
        Stream::Plain(stream)
    };
    let who = serde_json::to_vec(&shown(options, purpose, &info, tls_wanted).await?);
    let mut hello = Vec::new();
    wire::connect(&mut hello, &who.map_err(|error| Failure::with_source(Kind::Io, error))?);
    wire::ping(&mut hello);
    stream.write_all(&hello).await?;
    stream.flush().await?;
    loop {
        match heard(&mut stream, &mut inbound).await? {
            Greeting::Pong => return Ok(Line::new(stream, inbound, *info, &options.inbox_prefix)),
            // It may have learnt of its cluster meanwhile.
            Greeting::Info(newer) => info = newer,
            Greeting::Other => {}
            Greeting::Refused(why) if why.to_ascii_lowercase().starts_with("authorization violation") => {
                return Err(Failure::with_source(Kind::AuthorizationViolation, why));
            }
            Greeting::Refused(why) => return Err(Failure::with_source(Kind::Io, why)),
        }
    }
}

async fn secured(
    options: &ConnectOptions,
    server: &ServerAddr,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    let tls = |error: Box<dyn std::error::Error + Send + Sync>| Failure::with_source(Kind::Tls, error);
    let config = options.tls.config().map_err(|error| tls(error.into()))?;
    let name = ServerName::try_from(server.host().to_owned()).map_err(|error| tls(error.into()))?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// What is shown to a server.
async fn shown(
    options: &ConnectOptions,
    purpose: &Purpose,
    info: &ServerInfo,
    tls_required: bool,
) -> Result<ConnectInfo, Failure> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| Failure::with_source(Kind::Authentication, error);
    let auth = match &options.credentials {
        Some(credentials) => {
            let identity = credentials.read().await.map_err(|error| refused(error.into()))?;
            identity.shown(info.nonce.as_bytes()).map_err(|error| refused(error.into()))?
        }
        None => async_nats::Auth::new(),
    };
    Ok(ConnectInfo {
        verbose: false,
        pedantic: false,
        user_jwt: auth.jwt,
        nkey: auth.nkey,
        signature: auth.signature.map(|signature| URL_SAFE_NO_PAD.encode(signature)),
        name: Some(format!("{}{}", options.name, purpose.suffix)),
        echo: purpose.echo,
        lang: "rust".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: Protocol::Dynamic,
        tls_required,
        user: auth.username,
        pass: auth.password,
        auth_token: auth.token,
        headers: true,
        no_responders: true,
    })
}

/// What a server says until it has let us in.
enum Greeting {
    Info(Box<ServerInfo>),
    Refused(String),
    Pong,
    Other,
}

/// The next thing that comes.
async fn heard(stream: &mut (impl AsyncRead + Unpin), inbound: &mut BytesMut) -> io::Result<Greeting> {
    let invalid = |error: Box<dyn std::error::Error + Send + Sync>| io::Error::new(io::ErrorKind::InvalidData, error);
    loop {
        if let Step::Whole(said, length) = wire::next(inbound).map_err(|error| invalid(error.into()))? {
            let greeting = match said {
                Said::Info(info) => {
                    Greeting::Info(serde_json::from_slice(info).map_err(|error| invalid(error.into()))?)
                }
                Said::Error(why) => Greeting::Refused(why.escape_ascii().to_string()),
                Said::Pong => Greeting::Pong,
                Said::Message(_) | Said::Ping | Said::Ok => Greeting::Other,
            };
            inbound.advance(length);
            return Ok(greeting);
        }
        if stream.read_buf(inbound).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
