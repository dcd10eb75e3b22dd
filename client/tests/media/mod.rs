//! Files, over real sockets: what is said over the WebSocket, and what goes over HTTP beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use dunlin_client::{
    AskError, Client, Downloaded, File, MediaError,
    schema::{
        Attachment, Code, MediaId, MessageId, Millis,
        frame::{Answer, Ask, Question, ServerFrame, UploadPart},
        media::{MediaFacts, MediaType, Sha256},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    asking::{asked, say},
    gateway::{Gateway, Peer, soon, start},
};

fn media(number: u64) -> MediaId {
    MediaId(MessageId::from_parts(Millis(number), 0))
}

fn text() -> MediaType {
    "text/plain".parse().unwrap()
}

fn part(number: u64, from: u64, size: u64) -> UploadPart {
    let headers = BTreeMap::from([("x-part".to_owned(), number.to_string())]);
    UploadPart { url: format!("/v1/media/uploads/{number}"), method: "PUT".to_owned(), headers, from, size }
}

fn upload(number: u64, parts: Vec<UploadPart>, challenge: Option<&str>) -> Answer {
    Answer::Upload { media: media(number), parts, expires: Millis(9), challenge: challenge.map(str::to_owned) }
}

fn usable(number: u64) -> Answer {
    Answer::Media(Box::new(Attachment::of(media(number), None, MediaFacts { size: 20, ..MediaFacts::default() })))
}

async fn refuse(peer: &mut Peer, ask: &Ask, code: Code, retry_after: Option<Millis>) {
    let (code, message) = (code.into(), "no".to_owned());
    peer.tell(ServerFrame::Refused { reference: Some(ask.reference), code, message, retry_after }).await;
}

/// The head of the next request, and its body as far as its length says.
async fn request(stream: &mut TcpStream) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("a request", stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    soon("the body", stream.read_exact(&mut body)).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

async fn respond(stream: &mut TcpStream, status: &str, length: usize, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    soon("the answer", stream.write_all(head.as_bytes())).await.unwrap();
}

/// Two requests that come at once, in the order of these bodies.
async fn two(gateway: &Gateway, bodies: [&str; 2]) -> [(String, TcpStream); 2] {
    let mut streams = [gateway.tcp().await, gateway.tcp().await];
    let [one, other] = &mut streams;
    let requests = [request(one).await, request(other).await];
    assert_eq!(requests.each_ref().map(|(_, body)| &body[..]).iter().collect::<BTreeSet<_>>(), bodies.iter().collect());
    let is_turned = requests[0].1 != bodies[0];
    let [(one, _), (other, _)] = requests;
    let [first, second] = streams;
    if is_turned { [(other, second), (one, first)] } else { [(one, first), (other, second)] }
}

type Uploading = tokio::task::JoinHandle<Result<Attachment, MediaError>>;

/// Begins to upload twenty bytes, and what is told of it.
fn uploading(client: &Client) -> (Uploading, Arc<Mutex<Vec<u64>>>) {
    let (client, told) = (client.clone(), Arc::<Mutex<Vec<u64>>>::default());
    let tell = told.clone();
    let task = tokio::spawn(async move {
        let file = File::in_memory("aaaaaaaabbbbbbbbcccc");
        client.upload(&file, text(), "a.txt".parse().ok(), move |there| tell.lock().unwrap().push(there)).await
    });
    (task, told)
}

#[tokio::test]
async fn an_upload_that_was_broken_off_goes_on_with_what_is_missing() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    let (task, told) = uploading(&client);
    let ask = asked(&mut peer).await;
    let Question::Upload { size: 20, kind, sha256, media: None } = ask.what.clone() else { panic!("{ask:?}") };
    assert_eq!(kind, text());
    say(&mut peer, &ask, upload(1, vec![part(1, 0, 8), part(2, 8, 8), part(3, 16, 4)], None)).await;
    // Two come at once, and the third one when there is room for it.
    let [(head, mut first), (_, second)] = two(&gateway, ["aaaaaaaa", "bbbbbbbb"]).await;
    assert!(head.starts_with("PUT /v1/media/uploads/1 HTTP/1.1\r\n") && head.contains("\r\nx-part: 1\r\n"), "{head}");
    respond(&mut first, "204 No Content", 0, "").await;
    let mut third = gateway.tcp().await;
    assert_eq!(request(&mut third).await.1, "cccc");
    // The second is cut.
    drop(second);
    let ask = asked(&mut peer).await;
    assert_eq!(ask.what, Question::Upload { size: 20, kind: text(), sha256, media: Some(media(1)) });
    say(&mut peer, &ask, upload(1, vec![part(2, 8, 8), part(3, 16, 4)], None)).await;
    for (_, mut stream) in two(&gateway, ["bbbbbbbb", "cccc"]).await {
        respond(&mut stream, "200 OK", 0, "").await;
    }
    let ask = asked(&mut peer).await;
    assert_eq!(ask.what, Question::UploadDone { media: media(1), proof: None });
    refuse(&mut peer, &ask, Code::Unavailable, Some(Millis(1))).await;
    let ask = asked(&mut peer).await;
    assert_eq!(ask.what, Question::UploadDone { media: media(1), proof: None }, "it was busy");
    say(&mut peer, &ask, usable(7)).await;
    let attachment = soon("the upload", task).await.unwrap().unwrap();
    assert_eq!((attachment.media, attachment.size), (media(7), 20));
    assert_eq!(attachment.name, "a.txt".parse().ok());
    let told = told.lock().unwrap();
    assert!(told.first() == Some(&0) && told.last() == Some(&20), "{told:?}");
    assert!(told.windows(2).any(|pair| pair == [20, 8]), "what was cut is not there: {told:?}");
}

#[tokio::test]
async fn a_part_that_is_to_come_later_does() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    let (task, told) = uploading(&client);
    let ask = asked(&mut peer).await;
    say(&mut peer, &ask, upload(1, vec![part(1, 0, 20)], None)).await;
    // More often than a transfer may fail.
    for _ in 0..7 {
        let mut stream = gateway.tcp().await;
        assert_eq!(request(&mut stream).await.1.len(), 20);
        respond(&mut stream, "503 Service Unavailable\r\nretry-after: 0", 0, "").await;
    }
    let mut stream = gateway.tcp().await;
    assert_eq!(request(&mut stream).await.1.len(), 20);
    respond(&mut stream, "204 No Content", 0, "").await;
    let ask = asked(&mut peer).await;
    assert_eq!(ask.what, Question::UploadDone { media: media(1), proof: None }, "nothing is asked anew");
    say(&mut peer, &ask, usable(7)).await;
    soon("the upload", task).await.unwrap().unwrap();
    assert!(told.lock().unwrap().iter().all(|there| *there <= 20));
}

#[tokio::test]
async fn what_the_region_has_already_is_shown_and_not_sent() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    let (task, _) = uploading(&client);
    let ask = asked(&mut peer).await;
    say(&mut peer, &ask, upload(1, vec![], Some("AAEC"))).await;
    let ask = asked(&mut peer).await;
    // SHA-256 of the bytes 0, 1, 2 and the file's.
    let proof: Sha256 = "f532f6ac644f92b2f6718e885b0b080e475467a3ff9ab46b8ca9ff2354fffea7".parse().unwrap();
    assert_eq!(ask.what, Question::UploadDone { media: media(1), proof: Some(proof) });
    say(&mut peer, &ask, usable(7)).await;
    assert_eq!(soon("the upload", task).await.unwrap().unwrap().media, media(7));
}

#[tokio::test]
async fn what_is_refused_is_said_at_once() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    let (task, _) = uploading(&client);
    let ask = asked(&mut peer).await;
    refuse(&mut peer, &ask, Code::TooMany, None).await;
    let refused = soon("the refusal", task).await.unwrap();
    assert!(matches!(refused, Err(MediaError::Ask(AskError::Refused { .. }))), "{refused:?}");
}

#[tokio::test]
async fn a_download_goes_on_where_it_stopped() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    let task = tokio::spawn(async move {
        let mut into = Vec::new();
        let downloaded = client.download(media(1), false, &mut into, |_| {}).await;
        (downloaded, String::from_utf8(into).unwrap())
    });
    let offer = || {
        let (url, headers) = ("/v1/media/x".to_owned(), BTreeMap::from([("x-a".to_owned(), "b".to_owned())]));
        Answer::Download { url, headers, size: Some(20), kind: text(), expires: Millis(9) }
    };
    // It is cut; it ends as if that were all; it is said to be all; it goes on.
    for (status, range, length, body) in [
        ("200 OK", None, 20, "aaaaaaaabb"),
        ("206 Partial Content", Some("range: bytes=10-"), 4, "bbbb"),
        ("416 Range Not Satisfiable", Some("range: bytes=14-"), 0, ""),
        ("206 Partial Content", Some("range: bytes=14-"), 6, "bbcccc"),
    ] {
        let ask = asked(&mut peer).await;
        assert_eq!(ask.what, Question::Download { media: media(1), thumbnail: false, name: None });
        say(&mut peer, &ask, offer()).await;
        let mut stream = gateway.tcp().await;
        let (head, _) = request(&mut stream).await;
        assert!(head.starts_with("GET /v1/media/x HTTP/1.1\r\n") && head.contains("\r\nx-a: b\r\n"), "{head}");
        assert_eq!(head.lines().find(|line| line.starts_with("range: ")), range);
        respond(&mut stream, status, length, body).await;
    }
    let (downloaded, bytes) = soon("the download", task).await.unwrap();
    assert_eq!(downloaded.unwrap(), Downloaded { kind: text(), size: 20 });
    assert_eq!(bytes, "aaaaaaaabbbbbbbbcccc");
}
