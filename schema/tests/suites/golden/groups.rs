//! Golden bytes of groups: records, what a worker is told to do in one, and what is asked and said of them.

use dunlin_schema::{
    Content, LinkKey, LinkSecret, LinkToken, MessageId, Millis, Open, Seq, Windows,
    content::{GroupChange, Settings},
    entry::{Body, Entry},
    frame::{Answer, Encoding, GroupItem, MemberItem, Question, ServerFrame},
    group::{
        GroupAnswer, GroupCommand, GroupRefusal, GroupRequest, GroupRole, GroupSettings, GroupSettingsChange, WhoMay,
    },
    record::{EndingRecord, Follows, GroupRecord, LinkRecord, MemberRecord},
};

use super::{AT, POSITION, Sealed, answer, ask, bytes, decode_like, hex, id, title};

sealed!(GroupRecord, MemberRecord, Follows, LinkRecord, EndingRecord, GroupRequest, GroupAnswer);

fn open() -> GroupSettings {
    GroupSettings { who_may_add: WhoMay::Members.into(), who_may_write: WhoMay::Admins.into(), history: true }
}

fn change() -> GroupSettingsChange {
    GroupSettingsChange { who_may_add: Some(WhoMay::Members), who_may_write: None, history: Some(true) }
}

#[test]
fn records_of_groups() {
    let mut windows = Windows::open_from(Seq(3));
    windows.close(Seq(8));
    windows.open(Seq(300));
    golden!(
        (
            GroupRecord {
                applied: POSITION,
                title: title(),
                settings: open(),
                members: 300,
                owners: 1,
                deleted: false
            },
            GROUP,
        ),
        (MemberRecord { role: Some(GroupRole::Admin), windows, at: POSITION, joined: AT }, MEMBER),
        (MemberRecord::default(), MEMBER_NEVER),
        (Follows { is_member: true, at: POSITION }, FOLLOWS),
        (LinkRecord { by: "alice".parse().unwrap(), id: id(), until: AT, left: Some(300) }, LINK),
        (EndingRecord { at: POSITION }, ENDING),
    );
}

#[test]
fn what_is_done_in_groups() {
    let bob = || "bob".parse().unwrap();
    let by = dunlin_schema::Sender { user: "alice".parse().unwrap(), region: "eu".parse().unwrap() };
    let wanted = |what| GroupRequest { group: "team".parse().unwrap(), by: by.clone(), id: id(), at: AT, what };
    golden!(
        (wanted(GroupCommand::Create { title: title(), settings: change(), users: vec![bob()] }), CREATE),
        (wanted(GroupCommand::Add(vec![bob()])), ADD),
        (wanted(GroupCommand::Remove(vec![bob()])), REMOVE),
        (wanted(GroupCommand::Leave), LEAVE),
        (wanted(GroupCommand::Role { user: bob(), role: GroupRole::Owner }), ROLE),
        (wanted(GroupCommand::Set { title: None, settings: change() }), SET),
        (wanted(GroupCommand::Delete), DELETE),
        (wanted(GroupCommand::Say(Content::Delete { target: id() })), SAY),
        (wanted(GroupCommand::Link { key: LinkKey([17; 32]), until: AT, uses: Some(300) }), MAKE_LINK),
        (wanted(GroupCommand::Join(LinkKey([17; 32]))), JOIN),
        (wanted(GroupCommand::Unlink(None)), UNLINK),
        (GroupAnswer::Stored { order: Seq(300), time: AT }, STORED),
        (GroupAnswer::Unknown, UNKNOWN),
        (GroupAnswer::Refused(GroupRefusal::NotAMember), NOT_A_MEMBER),
        (GroupAnswer::Refused(GroupRefusal::Busy), BUSY),
        (GroupAnswer::Refused(GroupRefusal::TooFast(Millis(300))), TOO_FAST),
        (GroupAnswer::Refused(GroupRefusal::NotLet), NOT_LET),
    );
}

#[test]
fn an_entry_of_a_group() {
    let body = Body::Content(Content::Settings(Box::new(Settings {
        group: "#team@eu".parse().unwrap(),
        change: GroupChange::Created.into(),
        title: title(),
        settings: open(),
        users: vec!["bob@eu".parse().unwrap()],
        by: "alice@eu".parse().unwrap(),
    })));
    let from = dunlin_schema::Sender { user: "alice".parse().unwrap(), region: "eu".parse().unwrap() };
    let entry = Entry { id: id(), from, to: "#team@eu".parse().unwrap(), order: None, time: AT, body };
    assert_eq!(hex(&entry.encode()), CREATED);
    assert_eq!(Entry::decode(&bytes(CREATED)), Ok(entry));
}

#[test]
fn questions_and_answers_of_groups_in_postcard() {
    let team = || "#team".parse().unwrap();
    let bob = || "bob".parse().unwrap();
    let link = || LinkToken { group: team(), secret: LinkSecret([17; 16]) };
    let id: MessageId = id();
    for (question, golden) in [
        (
            Question::GroupCreate { id, group: team(), title: title(), members: vec![bob()], settings: Some(change()) },
            ASK_CREATE,
        ),
        (Question::GroupAdd { id, group: team(), users: vec![bob()] }, ASK_ADD),
        (Question::GroupRemove { id, group: team(), users: vec![bob()] }, ASK_REMOVE),
        (Question::GroupLeave { id, group: team() }, ASK_LEAVE),
        (Question::GroupRole { id, group: team(), user: bob(), role: GroupRole::Admin }, ASK_ROLE),
        (Question::GroupSet { id, group: team(), title: None, settings: None }, ASK_SET),
        (Question::GroupDelete { id, group: team() }, ASK_DELETE),
        (Question::GroupInfo { group: team() }, ASK_INFO),
        (Question::GroupMembers { group: team(), after: Some(Seq(300)), limit: 100 }, ASK_MEMBERS),
        (Question::Groups { after: None, limit: 100 }, ASK_GROUPS),
        (Question::GroupLink { id, group: team(), ttl: Some(Millis(86_400_000)), uses: Some(5) }, ASK_LINK),
        (Question::GroupJoin { id, token: link() }, ASK_JOIN),
        (Question::GroupUnlink { id, group: team(), token: Some(link()) }, ASK_UNLINK),
    ] {
        let frame = ask(1, question);
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_client(&bytes(golden)), Ok(frame));
    }
    let item = || GroupItem {
        group: Open::of_text("#team"),
        title: title(),
        members: 300,
        settings: open(),
        role: GroupRole::Owner.into(),
    };
    let member = MemberItem { user: Open::of_text("bob"), role: GroupRole::Member.into(), joined: Millis(5) };
    for (told, golden) in [
        (Answer::Group(Box::new(item())), TELL_GROUP),
        (Answer::Members { items: vec![member], next: Some(Seq(300)) }, TELL_MEMBERS),
        (Answer::Groups { items: vec![item()], next: None }, TELL_GROUPS),
        (Answer::Link { token: link(), expires: Millis(5) }, TELL_LINK),
        (Answer::Without { users: vec![Open::of_text("bob")], group: Some(Box::new(item())) }, TELL_WITHOUT),
    ] {
        let frame = answer(1, told);
        assert_eq!(hex(&Encoding::Postcard.write(&frame)), golden, "{frame:?}");
        assert_eq!(Encoding::Postcard.read_server(&bytes(golden)), Ok(frame));
    }
}

#[test]
fn a_signal_in_a_group_in_postcard() {
    let (group, from) = (Open::of_text("#team"), Open::of_text("bob"));
    let frame = ServerFrame::GroupSignal { group, from, kind: "typing".to_owned() };
    assert_eq!(hex(&Encoding::Postcard.write(&frame)), SEE_SIGNAL);
    assert_eq!(Encoding::Postcard.read_server(&bytes(SEE_SIGNAL)), Ok(frame));
}

const SEE_SIGNAL: &str = "0d05237465616d03626f6206747970696e67";
const NOT_LET: &str = "0101101c6ed9c6";
const TELL_WITHOUT: &str = "0801290e0103626f620105237465616d01025456ac02076d656d626572730661646d696e7301056f776e6572";
const GROUP: &str = "0180b0f0fef58df7bc181181a38f8aeb90f7bc1801025456076d656d626572730661646d696e7301ac02010069dfe3ff";
const MEMBER: &str = "01010561646d696e02030108ac020080b0f0fef58df7bc181181a38f8aeb90f7bc1896d9d79daa334e0c4572";
const MEMBER_NEVER: &str = "01000000000000a5463dd3";
const FOLLOWS: &str = "010180b0f0fef58df7bc181181a38f8aeb90f7bc18633bde96";
const CREATE: &str = concat!(
    "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa33000102545601076d",
    "656d626572730001010103626f6215f2854b"
);
const ADD: &str = "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa33010103626f626002536c";
const REMOVE: &str = "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa33020103626f62bac9ef58";
const LEAVE: &str = "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa3303afd11468";
const ROLE: &str = concat!(
    "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa330403626f62056f77",
    "6e6572063176ae"
);
const SET: &str = concat!(
    "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa33050001076d656d62",
    "65727300010181df705b"
);
const DELETE: &str = "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa3306b3c5e55d";
const SAY: &str = concat!(
    "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa33070201563e3ab5d3",
    "d6764c61efb99302bd5b5189d851"
);
const STORED: &str = "0100ac0296d9d79daa33fbc0f3d0";
const UNKNOWN: &str = "0102529ff803";
const NOT_A_MEMBER: &str = "01010073a987d6";
const BUSY: &str = "01010b48020e4f";
const CREATED: &str = concat!(
    "0101563e3ab5d3d6764c61efb99302bd5b05616c69636502657508237465616d4065750096d9d79daa33000608",
    "237465616d406575076372656174656401025456076d656d626572730661646d696e73010106626f6240657508",
    "616c6963654065756b3f93b6"
);
const ASK_CREATE: &str =
    concat!("03010e01563e3ab5d3d6764c61efb99302bd5b05237465616d010254560103626f620101076d656d6265727300", "0101");
const ASK_ADD: &str = "03010f01563e3ab5d3d6764c61efb99302bd5b05237465616d0103626f62";
const ASK_REMOVE: &str = "03011001563e3ab5d3d6764c61efb99302bd5b05237465616d0103626f62";
const ASK_LEAVE: &str = "03011101563e3ab5d3d6764c61efb99302bd5b05237465616d";
const ASK_ROLE: &str = "03011201563e3ab5d3d6764c61efb99302bd5b05237465616d03626f620561646d696e";
const ASK_SET: &str = "03011301563e3ab5d3d6764c61efb99302bd5b05237465616d0000";
const ASK_DELETE: &str = "03011401563e3ab5d3d6764c61efb99302bd5b05237465616d";
const ASK_INFO: &str = "03011505237465616d";
const ASK_MEMBERS: &str = "03011605237465616d01ac0264";
const ASK_GROUPS: &str = "0301170064";
const TELL_GROUP: &str = "0801230805237465616d01025456ac02076d656d626572730661646d696e7301056f776e6572";
const TELL_MEMBERS: &str = "080111090103626f62066d656d6265720501ac02";
const TELL_GROUPS: &str = "0801250a0105237465616d01025456ac02076d656d626572730661646d696e7301056f776e657200";
const LINK: &str = "0105616c69636501563e3ab5d3d6764c61efb99302bd5b96d9d79daa3301ac02917342b8";
const ENDING: &str = "0180b0f0fef58df7bc181181a38f8aeb90f7bc1821704be9";
const MAKE_LINK: &str = concat!(
    "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa330811111111111111",
    "1111111111111111111111111111111111111111111111111196d9d79daa3301ac0267f668cc"
);
const JOIN: &str = concat!(
    "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa330911111111111111",
    "11111111111111111111111111111111111111111111111111fa4a1d77"
);
const UNLINK: &str = "01047465616d05616c69636502657501563e3ab5d3d6764c61efb99302bd5b96d9d79daa330a00cd95fb20";
const TOO_FAST: &str = "01010fac02e5226a5a";
const ASK_LINK: &str = "03011801563e3ab5d3d6764c61efb99302bd5b05237465616d0180b899290105";
const ASK_JOIN: &str =
    concat!("03011901563e3ab5d3d6764c61efb99302bd5b1b7465616d2e4552455245524552455245524552455245524552", "4551");
const ASK_UNLINK: &str = concat!(
    "03011a01563e3ab5d3d6764c61efb99302bd5b05237465616d011b7465616d2e45524552455245524552455245",
    "524552455245524551"
);
const TELL_LINK: &str = "08011e0b1b7465616d2e4552455245524552455245524552455245524552455105";
