//! Golden bytes of how far what is said in a group has come: on its way to the worker, in STATE, as it is told and as it is asked.

use dunlin_schema::{
    Open, Seq, Span, Spans,
    counts::{
        CountsAnswer, CountsRequest, GroupCount, GroupDevice, GroupMarks, GroupSentMarks, MemberMarks, MemberReached,
        MembersPage,
    },
    frame::{Answer, Encoding, Question, ReachedItem},
    live::{Receipt, UserMessage},
    record::{self, GroupAck, GroupRead},
};

use super::{AT, EPOCH, Sealed, answer, ask, bytes, cursor, decode_like, hex};

sealed!(GroupMarks, GroupSentMarks, CountsRequest, CountsAnswer);

#[test]
fn what_is_stored_of_a_groups_members_and_of_its_senders() {
    let (user, device) = ("bob".parse().unwrap(), "phone".parse().unwrap());
    let ack = GroupAck { user, device, cursor: cursor(), opened: AT };
    let read = GroupRead { user: "bob".parse().unwrap(), epoch: EPOCH, upto: Seq(17) };
    let devices = vec![GroupDevice { device: "phone".parse().unwrap(), cursor: cursor(), opened: AT }];
    let given = Spans::from_iter([Span { above: Seq(3), upto: Seq(17) }]);
    let member = MemberMarks { epoch: EPOCH, given, read: Seq(9), devices };
    let count = GroupCount { order: Seq(9), delivered: 812, read: 400, of: 1_000, time: AT };
    golden!(
        (record::Receipt::Group { acks: vec![ack], reads: vec![read] }, ITEM),
        (GroupMarks { members: [("bob".parse().unwrap(), member)].into() }, MARKS),
        (GroupSentMarks { epoch: EPOCH, messages: vec![count] }, SENT),
    );
}

#[test]
fn as_a_sender_is_told() {
    let (to, order, of, time) = ("#team@eu".parse().unwrap(), Seq(9), 1_000, AT);
    let told = Receipt::Group { to, order, delivered: 812, read: 400, of, time, revision: Seq(300) };
    let message = UserMessage::Receipt(told);
    assert_eq!(hex(&message.encode()), TOLD);
    assert_eq!(UserMessage::decode(&bytes(TOLD).into()), Ok(message));
}

#[test]
fn how_far_a_message_has_come() {
    let request = |page| CountsRequest {
        group: "team".parse().unwrap(),
        sender: "alice".parse().unwrap(),
        order: Seq(300),
        page,
    };
    let bob = || MemberReached { user: "bob".parse().unwrap(), delivered: true, read: false };
    golden!(
        (request(None), "01047465616d05616c696365ac020090b52452"),
        (request(Some(MembersPage { after: "al".parse().ok(), limit: 100 })), REQUEST_PAGE),
        (CountsAnswer::Counted { delivered: 812, read: 400, of: 1_000 }, "0100ac069003e807abe0177d"),
        (CountsAnswer::Members { items: vec![bob()], next: "bob".parse().ok() }, MEMBERS),
    );
    let (to, bob) = ("#team".parse().unwrap(), || Open::of_text("bob"));
    let frame = ask(7, Question::ReceiptsOf { to, order: Seq(300), after: "bob".parse().ok(), limit: 100 });
    assert_eq!(hex(&Encoding::Postcard.write(&frame)), ASK);
    assert_eq!(Encoding::Postcard.read_client(&bytes(ASK)), Ok(frame));
    let items = vec![ReachedItem { user: bob(), delivered: true, read: false }];
    for (told, golden) in [
        (Answer::Counts { stored: AT, of: 1_000, delivered: 812, read: 400 }, "08070d0c96d9d79daa33e807ac069003"),
        (Answer::ReceiptsOf { items, next: Some(bob()) }, "08070d0d0103626f6201000103626f62"),
    ] {
        let frame = answer(7, told);
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_server(&bytes(golden)), Ok(frame));
    }
}

const ITEM: &str = concat!(
    "01030103626f620570686f6e6580b0f0fef58df7bc181181a38f8aeb90f7bc1896d9d79daa330396d9d79daa330103626f62",
    "80b0f0fef58df7bc1811063344dd"
);
const MARKS: &str = concat!(
    "010103626f6280b0f0fef58df7bc1801031109010570686f6e6580b0f0fef58df7bc181181a38f8aeb90f7bc1896d9d79daa",
    "330396d9d79daa3367c85573"
);
const SENT: &str = "0180b0f0fef58df7bc180109ac069003e80796d9d79daa3384d140e5";
const REQUEST_PAGE: &str = "01047465616d05616c696365ac02010102616c64852001e8";
const MEMBERS: &str = "01010103626f6201000103626f621857a152";
const ASK: &str = "03071b05237465616dac020103626f6264";
const TOLD: &str = "01020108237465616d40657509ac069003e80796d9d79daa33ac02";
