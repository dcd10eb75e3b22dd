//! Golden bytes of files: as messages carry them, in STATE, as they are asked about between processes and by clients.

use dunlin_schema::{
    Attachment, Content, MediaId, Millis, Sender, UserName,
    frame::{Answer, Encoding, Question, UploadPart},
    index::media::{HoldsAnswer, HoldsRequest},
    media::{
        FileName, MediaFacts, MediaType, Sha256,
        record::{MediaRecord, MediaState, Promise, Reference, SameRecord, UploadedRecord, Usable},
        service::{MediaAnswer, MediaRefusal, MediaRequest, Part},
    },
};

use super::{AT, Sealed, answer, ask, bytes, decode_like, hex, id};

sealed!(MediaRecord, SameRecord, UploadedRecord, MediaRequest, MediaAnswer, HoldsRequest, HoldsAnswer);

const MEDIA: fn() -> MediaId = || MediaId(id());
const NONCE: [u8; 16] = [7; 16];

fn sha256() -> Sha256 {
    Sha256(std::array::from_fn(|at| at as u8))
}

fn png() -> MediaType {
    "image/png".parse().unwrap()
}

fn name() -> FileName {
    "a.png".parse().unwrap()
}

fn bob() -> UserName {
    "bob".parse().unwrap()
}

fn promise() -> Promise {
    Promise { size: 300, kind: png(), sha256: sha256() }
}

fn facts() -> MediaFacts {
    let (width, height, blur) = (Some(640), Some(480), Some("Ab+/".to_owned()));
    MediaFacts { size: 300, kind: png(), width, height, duration: None, blur, thumbnail: true }
}

fn alice() -> Sender {
    Sender { user: "alice".parse().unwrap(), region: "local".parse().unwrap() }
}

#[test]
fn what_is_stored_of_files() {
    let record = |state| MediaRecord { state, until: AT };
    let promised = |challenge| MediaState::Promised { by: bob(), file: promise(), challenge };
    let references = vec![Reference { from: alice(), id: id(), to: "bob@local".parse().unwrap() }];
    let usable = Usable { sha256: sha256(), facts: facts(), references, more: true };
    golden!(
        (record(promised(Some(NONCE))), PROMISED),
        (record(MediaState::Usable(usable)), USABLE),
        (record(MediaState::Became(MEDIA())), BECAME),
        (record(MediaState::Lost), LOST),
        (SameRecord { media: MEDIA() }, SAME),
        (UploadedRecord { size: 300, until: AT }, UPLOADED),
    );
    let attachments = vec![Attachment::of(MEDIA(), Some(name()), facts())];
    let content = Content::Message { text: None, data: None, attachments, reply_to: None, mentions: vec![] };
    assert_eq!(hex(&postcard::to_stdvec(&content).unwrap()), ATTACHED);
    assert_eq!(postcard::from_bytes::<Content>(&bytes(ATTACHED)).as_ref(), Ok(&content));
    // Of the one attachment, one byte more than this release reads.
    let longer = ATTACHED.replacen("0131", "0132", 1);
    let longer = format!("{}0700", &longer[..longer.len() - 2]);
    assert_eq!(postcard::from_bytes::<Content>(&bytes(&longer)), Ok(content));
}

#[test]
fn what_is_asked_of_media_workers() {
    let (to, headers) = ("bob@local".parse().unwrap(), [("a".to_owned(), "b".to_owned())].into());
    let part = Part { number: 1, from: 8_388_608, size: 300, to: Some(("/x".to_owned(), headers)) };
    let refused = MediaAnswer::Refused;
    golden!(
        (MediaRequest::Begin { by: bob(), file: promise() }, BEGIN),
        (MediaRequest::GoOn { by: bob(), media: MEDIA() }, GO_ON),
        (MediaRequest::Complete { by: bob(), media: MEDIA(), proof: Some(sha256()) }, COMPLETE),
        (MediaRequest::Refer { message: (alice(), id(), to), media: MEDIA(), until: AT, seen: true }, REFER),
        (MediaRequest::Open { by: bob(), media: MEDIA(), thumbnail: true, name: Some(name()), seen: false }, OPEN),
        (MediaRequest::Release { from: alice(), id: id(), to: "bob@local".parse().unwrap(), media: MEDIA() }, RELEASE),
        (MediaAnswer::Begun { media: MEDIA(), parts: vec![part], expires: AT, challenge: Some(NONCE) }, BEGUN),
        (MediaAnswer::Usable { media: MEDIA(), facts: facts(), url: Some("/x".to_owned()) }, FOUND),
        (MediaAnswer::Done, DONE),
        (refused(MediaRefusal::NotFound), NOT_FOUND),
        (refused(MediaRefusal::Lost), GONE),
        (refused(MediaRefusal::Missing(3)), MISSING),
        (refused(MediaRefusal::Differs("no".to_owned())), DIFFERS),
        (refused(MediaRefusal::NoProof), NO_PROOF),
        (refused(MediaRefusal::Quota { used: 300, most: 400 }), QUOTA),
        (refused(MediaRefusal::Busy), BUSY),
        (refused(MediaRefusal::Unavailable), UNAVAILABLE),
        (HoldsRequest { user: bob(), media: MEDIA(), mailbox: true, groups: vec!["team".parse().unwrap()] }, HOLDS),
        (HoldsAnswer::Holds, HELD),
        (HoldsAnswer::Lacks, LACKED),
        (HoldsAnswer::Behind, HOLDS_BEHIND),
    );
}

#[test]
fn what_clients_ask_of_files() {
    let (size, kind, sha256) = (300, png(), sha256());
    for (asked, golden) in [
        (Question::Upload { size, kind, sha256, media: Some(MEDIA()) }, ASK_UPLOAD),
        (Question::UploadDone { media: MEDIA(), proof: Some(sha256) }, ASK_DONE),
        (Question::Download { media: MEDIA(), thumbnail: true, name: Some(name()) }, ASK_DOWNLOAD),
    ] {
        let frame = ask(7, asked);
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_client(&bytes(golden)), Ok(frame));
    }
    let headers = || [("a".to_owned(), "b".to_owned())].into();
    let (url, method) = ("/x".to_owned(), "PUT".to_owned());
    let parts = vec![UploadPart { url: url.clone(), method, headers: headers(), from: 0, size }];
    let (kind, expires): (_, Millis) = (png(), AT);
    for (told, golden) in [
        (Answer::Upload { media: MEDIA(), parts, expires, challenge: Some("Bwc".to_owned()) }, UPLOAD),
        (Answer::Media(Box::new(Attachment::of(MEDIA(), Some(name()), facts()))), ATTACHMENT),
        (Answer::Download { url, headers: headers(), size: Some(size), kind, expires }, DOWNLOAD),
    ] {
        let frame = answer(7, told);
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_server(&bytes(golden)), Ok(frame));
    }
}

const PROMISED: &str = concat!(
    "010003626f62ac0209696d6167652f706e67000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "010707070707070707070707070707070796d9d79daa33a4913a2d"
);
const USABLE: &str = concat!(
    "0101000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0209696d6167652f706e6701800501",
    "e00300010441622b2f010105616c696365056c6f63616c01563e3ab5d3d6764c61efb99302bd5b09626f62406c6f63616c01",
    "96d9d79daa33aea20b69"
);
const BECAME: &str = "010201563e3ab5d3d6764c61efb99302bd5b96d9d79daa3349c598b8";
const LOST: &str = "010396d9d79daa331add480f";
const SAME: &str = "0101563e3ab5d3d6764c61efb99302bd5bb5a819f6";
const UPLOADED: &str = "01ac0296d9d79daa33def5a3b7";
const BEGIN: &str = concat!(
    "010003626f62ac0209696d6167652f706e67000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "9296f6a9"
);
const GO_ON: &str = "010103626f6201563e3ab5d3d6764c61efb99302bd5be70ac229";
const COMPLETE: &str = concat!(
    "010203626f6201563e3ab5d3d6764c61efb99302bd5b01000102030405060708090a0b0c0d0e0f101112131415161718191a",
    "1b1c1d1e1fc18cdb0d"
);
const REFER: &str = concat!(
    "010305616c696365056c6f63616c01563e3ab5d3d6764c61efb99302bd5b09626f62406c6f63616c01563e3ab5d3d6764c61",
    "efb99302bd5b96d9d79daa3301ec00bfeb"
);
const OPEN: &str = "010403626f6201563e3ab5d3d6764c61efb99302bd5b010105612e706e6700672d6edd";
const RELEASE: &str = concat!(
    "010505616c696365056c6f63616c01563e3ab5d3d6764c61efb99302bd5b09626f62406c6f63616c01563e3ab5d3d6764c61",
    "efb99302bd5b7e4549e3"
);
const BEGUN: &str = concat!(
    "010001563e3ab5d3d6764c61efb99302bd5b010180808004ac0201022f78010161016296d9d79daa33010707070707070707",
    "070707070707070780df36ce"
);
const FOUND: &str = concat!(
    "010101563e3ab5d3d6764c61efb99302bd5bac0209696d6167652f706e6701800501e00300010441622b2f0101022f789135",
    "0bb1"
);
const DONE: &str = "0102529ff803";
const NOT_FOUND: &str = "0103009d99c2f1";
const GONE: &str = "0103019e1aa903";
const MISSING: &str = "0103020316e2194b";
const DIFFERS: &str = "010303026e6f9964f696";
const NO_PROOF: &str = "010304820e5836";
const QUOTA: &str = "010305ac02900343790faf";
const BUSY: &str = "010306757e63d7";
const UNAVAILABLE: &str = "01030776fd0825";
const HOLDS: &str = "0103626f6201563e3ab5d3d6764c61efb99302bd5b0101047465616daa9617e8";
const ATTACHED: &str = concat!(
    "000000013101563e3ab5d3d6764c61efb99302bd5b0105612e706e67ac0209696d6167652f706e6701800501e00300010441",
    "622b2f0100"
);
const HELD: &str = "0100a5efc3e2";
const LACKED: &str = "0101a66ca810";
const HOLDS_BEHIND: &str = "0102529ff803";
const ASK_UPLOAD: &str = concat!(
    "03071cac0209696d6167652f706e67000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f010156",
    "3e3ab5d3d6764c61efb99302bd5b"
);
const ASK_DONE: &str = concat!(
    "03071d01563e3ab5d3d6764c61efb99302bd5b01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d",
    "1e1f"
);
const ASK_DOWNLOAD: &str = "03071e01563e3ab5d3d6764c61efb99302bd5b010105612e706e67";
const UPLOAD: &str = "08072c0f01563e3ab5d3d6764c61efb99302bd5b01022f7803505554010161016200ac0296d9d79daa330103427763";
const ATTACHMENT: &str = concat!(
    "0807321001563e3ab5d3d6764c61efb99302bd5b0105612e706e67ac0209696d6167652f706e6701800501e0030001044162",
    "2b2f01"
);
const DOWNLOAD: &str = "08071c11022f78010161016201ac0209696d6167652f706e6796d9d79daa33";
