//! Golden bytes of conversations: what clients ask and are told of them, and what gateways ask the index.

use dunlin_schema::{
    Address, Open, Seq,
    frame::{
        Answer, AnswerFrame, Ask, ClientFrame, ConversationItem, Encoding, HistoryEntry, Question, ReactionItem,
        ServerFrame,
    },
    index::{
        Conversation, ConversationsAnswer, ConversationsRequest, HistoryAnswer, HistoryRequest, Message, Place,
        Reaction,
    },
};

use crate::golden::{AT, TIME, bytes, hex, id, message};

#[test]
fn what_is_asked() {
    let history = Question::History { with: "bob".parse().unwrap(), before: Some(Seq(17)), limit: 100 };
    for (what, golden) in
        [(Question::Conversations { after: None, limit: 30 }, ASK_CONVERSATIONS), (history, ASK_HISTORY)]
    {
        let frame = ClientFrame::Ask(Ask { reference: 1, what });
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_client(&bytes(golden)), Ok(frame));
    }
}

fn history_entry() -> HistoryEntry {
    HistoryEntry {
        seq: Seq(17),
        time: AT,
        id: id(),
        from: Open::of_text("alice"),
        to: Open::of_text("bob"),
        order: Some(Seq(17)),
        content: message().into(),
        edited: Some(AT),
        reactions: vec![ReactionItem { from: Open::of_text("bob"), emoji: "👍".into(), time: AT }],
    }
}

#[test]
fn what_is_answered() {
    let item = |last, read| ConversationItem { with: Open::of_text("alice"), last, unread: 3, read };
    let items = vec![item(Some(history_entry()), Some(Seq(9))), item(None, None)];
    for (what, golden) in [
        (Answer::Conversations { items, next: Some(Seq(17)) }, ANSWER_CONVERSATIONS),
        (Answer::History { entries: vec![history_entry()], next: None }, ANSWER_HISTORY),
    ] {
        let frame = ServerFrame::Answer(AnswerFrame { reference: 1, what: what.into() });
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_server(&bytes(golden)), Ok(frame));
    }
}

#[test]
fn what_gateways_ask_the_index() {
    let place = |seq| Place { seq: Seq(seq), time: TIME };
    let indexed = Message {
        at: place(17),
        id: id(),
        mine: true,
        time: AT,
        order: Seq(17),
        edit: Some(place(18)),
        reactions: vec![Reaction { mine: false, emoji: "👍".into(), time: AT }],
    };
    let (user, with): (dunlin_schema::UserName, Address) = ("bob".parse().unwrap(), "alice".parse().unwrap());
    let listed = Conversation { with: with.clone(), last: indexed.clone(), unread: 3, read: Some(Seq(9)) };
    let question = ConversationsRequest { user: user.clone(), below: Some(Seq(17)), limit: 50 };
    assert_eq!(hex(&question.encode()), INDEX_CONVERSATIONS);
    assert_eq!(ConversationsRequest::decode(&bytes(INDEX_CONVERSATIONS)), Ok(question));
    let question = HistoryRequest { user, with, below: None, limit: 100 };
    assert_eq!(hex(&question.encode()), INDEX_HISTORY);
    assert_eq!(HistoryRequest::decode(&bytes(INDEX_HISTORY)), Ok(question));
    for (answer, golden) in [
        (ConversationsAnswer::Found { items: vec![listed], more: true }, INDEX_LISTED),
        (ConversationsAnswer::Behind, INDEX_BEHIND),
    ] {
        assert_eq!(hex(&answer.encode()), golden);
        assert_eq!(ConversationsAnswer::decode(&bytes(golden)), Ok(answer));
    }
    for (answer, golden) in [
        (HistoryAnswer::Found { messages: vec![indexed], more: false }, INDEX_MESSAGES),
        (HistoryAnswer::Behind, INDEX_BEHIND),
    ] {
        assert_eq!(hex(&answer.encode()), golden);
        assert_eq!(HistoryAnswer::decode(&bytes(golden)), Ok(answer));
    }
}

const ASK_CONVERSATIONS: &str = "030105001e";
const ASK_HISTORY: &str = "03010603626f62011164";
const ANSWER_CONVERSATIONS: &str = concat!(
    "08016f030205616c696365011196d9d79daa3301563e3ab5d3d6764c61efb99302bd5b05616c69636503626f6201111d0001",
    "026869010200ff01016d01ffffffffffffffffffffffffffffffff0196d9d79daa330103626f6204f09f918d96d9d79daa33",
    "03010905616c6963650003000111",
);
const ANSWER_HISTORY: &str = concat!(
    "08015b04011196d9d79daa3301563e3ab5d3d6764c61efb99302bd5b05616c69636503626f6201111d0001026869010200ff",
    "01016d01ffffffffffffffffffffffffffffffff0196d9d79daa330103626f6204f09f918d96d9d79daa3300",
);
const INDEX_CONVERSATIONS: &str = "0103626f620111325f279ff7";
const INDEX_HISTORY: &str = "0103626f6205616c6963650064b54bf79e";
const INDEX_LISTED: &str = concat!(
    "01000105616c6963651181a38f8aeb90f7bc1801563e3ab5d3d6764c61efb99302bd5b0196d9d79daa3311011281a38f8aeb",
    "90f7bc18010004f09f918d96d9d79daa33030109014dc4953b",
);
const INDEX_MESSAGES: &str = concat!(
    "0100011181a38f8aeb90f7bc1801563e3ab5d3d6764c61efb99302bd5b0196d9d79daa3311011281a38f8aeb90f7bc180100",
    "04f09f918d96d9d79daa33005d0c7c3e",
);
const INDEX_BEHIND: &str = "0101a66ca810";
