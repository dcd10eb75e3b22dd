//! Golden bytes of conversations: what clients ask and are told of them, and what gateways ask the index.

use dunlin_schema::{
    Address, Content, Entry, Epoch, Open, Sender, Seq,
    entry::Body,
    frame::{
        Answer, AnswerFrame, Ask, ClientFrame, ConversationItem, Encoding, HistoryEntry, Question, ReactionItem,
        ServerFrame,
    },
    index::{
        Conversation, ConversationsAnswer, ConversationsRequest, HistoryAnswer, HistoryRequest, Message, Place,
        Reaction,
        groups::{
            GroupConversation, GroupConversationsAnswer, GroupConversationsRequest, GroupHistoryAnswer,
            GroupHistoryRequest, GroupMessage, GroupReaction, GroupsLatestAnswer, GroupsLatestRequest,
        },
    },
    record::ReadMark,
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
    let item = |last, read, mentions, title: Option<&str>| ConversationItem {
        with: Open::of_text("alice"),
        last,
        unread: 3,
        read,
        mentions,
        title: title.map(|title| title.parse().unwrap()),
    };
    let items = vec![item(Some(history_entry()), Some(Seq(9)), 0, None), item(None, None, 300, Some("TV"))];
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

/// Behind all else that a message has, and only where there is somebody.
#[test]
fn whom_a_message_mentions() {
    let mentions = vec!["bob@eu".parse().unwrap(), "carol".parse().unwrap()];
    let message =
        Content::Message { text: Some("hi".into()), data: None, attachments: vec![], reply_to: None, mentions };
    let from = Sender { user: "alice".parse().unwrap(), region: "local".parse().unwrap() };
    let (to, body) = ("bob@local".parse().unwrap(), Body::Content(message));
    let entry = Entry { id: id(), from, to, order: None, time: AT, body };
    assert_eq!(hex(&entry.encode()), MENTIONING);
    assert_eq!(Entry::decode(&bytes(MENTIONING)), Ok(entry));
}

#[test]
fn what_gateways_ask_the_index_of_groups() {
    let (user, group) = (|name: &str| name.parse().unwrap(), || "team".parse().unwrap());
    let message = GroupMessage {
        at: Place { seq: Seq(17), time: TIME },
        id: id(),
        from: user("alice"),
        time: AT,
        edit: None,
        reactions: vec![GroupReaction { by: user("bob"), emoji: "👍".into(), time: AT }],
    };
    let listed = GroupConversation {
        title: Some("TV".parse().unwrap()),
        last: Some(message.clone()),
        unread: 300,
        mentions: 2,
        read: Some(Seq(9)),
    };
    let mark = ReadMark { epoch: Epoch(3), order: Seq(9), time: AT };
    macro_rules! same {
        ($($type:ident $value:expr => $golden:expr),* $(,)?) => {$(
            let value: $type = $value;
            assert_eq!(hex(&value.encode()), $golden, "{value:?}");
            assert_eq!($type::decode(&bytes($golden)), Ok(value));
        )*};
    }
    same!(
        GroupsLatestRequest GroupsLatestRequest { user: user("bob"), groups: vec![group()] } => ASK_LATEST,
        GroupsLatestAnswer GroupsLatestAnswer::Found(vec![Some(TIME), None]) => LATEST,
        GroupsLatestAnswer GroupsLatestAnswer::Behind => INDEX_BEHIND,
        GroupConversationsRequest GroupConversationsRequest {
            user: user("bob"),
            blocked: vec![user("eve")],
            groups: vec![(group(), Some(mark)), (group(), None)],
        } => ASK_GROUPS,
        GroupConversationsAnswer GroupConversationsAnswer::Found(vec![Some(listed), None]) => GROUPS_LISTED,
        GroupConversationsAnswer GroupConversationsAnswer::Behind => INDEX_BEHIND,
        GroupHistoryRequest GroupHistoryRequest { user: user("bob"), group: group(), below: Some(Seq(17)), limit: 100 }
            => ASK_GROUP_HISTORY,
        GroupHistoryAnswer GroupHistoryAnswer::Found { messages: vec![message], more: true } => GROUP_MESSAGES,
        GroupHistoryAnswer GroupHistoryAnswer::NotAMember => GROUP_NOT_A_MEMBER,
        GroupHistoryAnswer GroupHistoryAnswer::Behind => GROUP_HISTORY_BEHIND,
    );
}

const MENTIONING: &str = concat!(
    "0101563e3ab5d3d6764c61efb99302bd5b05616c696365056c6f63616c09626f62406c6f63616c0096d9d79daa3300000102",
    "68690000000206626f62406575056361726f6c692a6504",
);
const ASK_LATEST: &str = "0103626f6201047465616d353ca43a";
const LATEST: &str = "0100020181a38f8aeb90f7bc180003715b36";
const ASK_GROUPS: &str = "0103626f62010365766502047465616d01030996d9d79daa33047465616d003890df5b";
const GROUPS_LISTED: &str = concat!(
    "0100020101025456011181a38f8aeb90f7bc1801563e3ab5d3d6764c61efb99302bd5b05616c69636596d9d79daa33000103",
    "626f6204f09f918d96d9d79daa33ac0202010900c2e5d8dd",
);
const ASK_GROUP_HISTORY: &str = "0103626f62047465616d0111640f9abb6a";
const GROUP_MESSAGES: &str = concat!(
    "0100011181a38f8aeb90f7bc1801563e3ab5d3d6764c61efb99302bd5b05616c69636596d9d79daa33000103626f6204f09f",
    "918d96d9d79daa3301c567ed95",
);
const GROUP_NOT_A_MEMBER: &str = "0101a66ca810";
const GROUP_HISTORY_BEHIND: &str = "0102529ff803";
const ASK_CONVERSATIONS: &str = "030105001e";
const ASK_HISTORY: &str = "03010603626f62011164";
const ANSWER_CONVERSATIONS: &str = concat!(
    "080176030205616c696365011196d9d79daa3301563e3ab5d3d6764c61efb99302bd5b05616c69636503626f6201111b0001",
    "026869010200ff0001ffffffffffffffffffffffffffffffff0196d9d79daa330103626f6204f09f918d96d9d79daa330301",
    "0905616c6963650003000111020000ac0201025456"
);
const ANSWER_HISTORY: &str = concat!(
    "08015904011196d9d79daa3301563e3ab5d3d6764c61efb99302bd5b05616c69636503626f6201111b0001026869010200ff",
    "0001ffffffffffffffffffffffffffffffff0196d9d79daa330103626f6204f09f918d96d9d79daa3300"
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
