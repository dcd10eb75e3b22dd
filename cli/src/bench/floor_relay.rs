//! Floor A: a WebSocket relay in memory, without tokens, storage or answers. What is left of messaging when every promise is taken away.

use std::{collections::HashMap, convert::Infallible, io::Write as _, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{RwLock, mpsc},
};

type People = Arc<RwLock<HashMap<String, mpsc::Sender<Vec<u8>>>>>;

/// Messages that may wait for one socket; what does not fit is dropped.
const QUEUE: usize = 256;

#[derive(Deserialize)]
struct Message<'a> {
    to: &'a str,
    #[serde(rename = "text")]
    _text: &'a str,
}

/// Relays until it is killed. Says `ready http://ADDRESS` when it listens.
pub(super) async fn run(listen: SocketAddr) -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(listen)?;
    let listener = socket.listen(4096)?;
    writeln!(std::io::stdout(), "ready http://{}", listener.local_addr()?)?;
    let people = People::default();
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, people.clone()));
    }
}

async fn serve(stream: TcpStream, people: People) {
    if stream.set_nodelay(true).is_ok() {
        let service = service_fn(|request| open(request, people.clone()));
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    }
}

async fn open(mut request: Request<Incoming>, people: People) -> Result<Response<Empty<Bytes>>, Infallible> {
    let name = request.uri().path().trim_start_matches('/').to_owned();
    match upgrade::upgrade(&mut request) {
        Ok((response, socket)) => {
            tokio::spawn(async move {
                let _ = relay(name, socket, people).await;
            });
            Ok(response)
        }
        Err(_) => {
            let mut response = Response::new(Empty::new());
            *response.status_mut() = hyper::StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

async fn relay(name: String, socket: upgrade::UpgradeFut, people: People) -> Result<(), WebSocketError> {
    let (read, mut write) = socket.await?.split(tokio::io::split);
    let mut read = FragmentCollectorRead::new(read);
    let (queue, mut queued) = mpsc::channel::<Vec<u8>>(QUEUE);
    people.write().await.insert(name.clone(), queue);
    tokio::spawn(async move {
        while let Some(message) = queued.recv().await {
            if write.write_frame(Frame::text(Payload::Owned(message))).await.is_err() {
                break;
            }
        }
    });
    loop {
        let frame = read.read_frame(&mut |_| async { Ok::<_, Infallible>(()) }).await;
        match frame {
            Ok(frame) if frame.opcode == OpCode::Text => {
                let Ok(message) = serde_json::from_slice::<Message<'_>>(&frame.payload) else { continue };
                if let Some(queue) = people.read().await.get(message.to) {
                    let _ = queue.try_send(frame.payload.to_vec());
                }
            }
            Ok(frame) if frame.opcode == OpCode::Close => break,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    people.write().await.remove(&name);
    Ok(())
}
