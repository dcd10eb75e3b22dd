//! A picture is uploaded and downloaded.

use super::*;
use crate::{
    Attachment, MediaId,
    frame::UploadPart,
    media::{MediaFacts, MediaType, Sha256},
};

/// What a client says.
pub(super) fn wanted() -> Vec<ClientFrame> {
    vec![
        ClientFrame::Ask(Ask {
            reference: 22,
            what: Question::Upload { size: 48_213, kind: jpeg(), sha256: Sha256([0x2c; 32]), media: None },
        }),
        ClientFrame::Ask(Ask { reference: 23, what: Question::UploadDone { media: picture().media, proof: None } }),
        ClientFrame::Ask(Ask {
            reference: 24,
            what: Question::Download { media: picture().media, thumbnail: true, name: None },
        }),
    ]
}

/// What a gateway says.
pub(super) fn given() -> Vec<ServerFrame> {
    vec![
        ServerFrame::Answer(AnswerFrame {
            reference: 22,
            what: Answer::Upload {
                media: picture().media,
                parts: vec![UploadPart {
                    url: "/v1/media/uploads/eyJ".to_owned(),
                    method: "PUT".to_owned(),
                    headers: BTreeMap::new(),
                    from: 0,
                    size: 48_213,
                }],
                expires: NOW.plus(limits::MEDIA_UPLOADED_FOR),
                challenge: None,
            }
            .into(),
        }),
        ServerFrame::Answer(AnswerFrame { reference: 23, what: Answer::Media(Box::new(picture())).into() }),
        ServerFrame::Answer(AnswerFrame {
            reference: 24,
            what: Answer::Download {
                url: "/v1/media/eyJ".to_owned(),
                headers: BTreeMap::new(),
                size: None,
                kind: jpeg(),
                expires: NOW.plus(limits::DOWNLOAD_HOLDS),
            }
            .into(),
        }),
    ]
}

fn jpeg() -> MediaType {
    "image/jpeg".parse().expect("it is a media type")
}

fn picture() -> Attachment {
    let (width, height, blur) = (Some(1_200), Some(800), Some("HBkSHYSIeHiPiHh8eJd4eTN0EEQG".to_owned()));
    let facts = MediaFacts { size: 48_213, kind: jpeg(), width, height, duration: None, blur, thumbnail: true };
    Attachment::of(MediaId(id(6)), "beach.jpg".parse().ok(), facts)
}
