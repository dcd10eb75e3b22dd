//! Subjects and stream names: one text for each thing, one thing for each text.

use std::collections::HashMap;

use dunlin_schema::{
    DeviceName, GroupName, LinkKey, Log, MediaId, MessageId, Peer, RegionName, Sender, Shard, UserName, limits,
    media::Sha256, revocation::Revoked, shard::fnv1a32, stream, subject,
};
use proptest::prelude::*;

use crate::strategy;

fn region(name: &str) -> RegionName {
    RegionName::new(name).unwrap()
}

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn team() -> GroupName {
    "team".parse().unwrap()
}

fn key() -> LinkKey {
    LinkKey([17; 32])
}

#[test]
fn records_of_groups_say_whose_they_are() {
    let (eu, bob) = (region("eu"), user("bob"));
    let (member, follows) =
        (subject::member_record(&eu, Shard(3), &team(), &bob), subject::follows(&eu, Shard(3), &bob, &team()));
    assert_eq!(subject::parse_member_record(&member), Some(bob.clone()));
    assert_eq!(subject::parse_follows(&follows), Some((bob, team())));
    assert_eq!(subject::parse_follows(&member), None);
    assert_eq!(subject::parse_member_record(&follows), None);
    let (link, ending) = (subject::link(&eu, Shard(3), &team(), &key()), subject::ending(&eu, Shard(3), &team()));
    assert_eq!(subject::parse_link(&link), Some((team(), key())));
    assert_eq!(subject::parse_ending(&ending), Some(team()));
    for none in
        [&link, "state.eu.03.ending.team", "state.eu.3.ending.team.x", "state.eu.3.ending", "log.eu.3.ending.team"]
    {
        assert_eq!(subject::parse_ending(none), None, "{none}");
    }
    for none in [&ending, &format!("{link}A"), &member, "state.eu.3.link.team.ERER", "state.eu.3.link.team.*"] {
        assert_eq!(subject::parse_link(none), None, "{none}");
    }
    for none in ["state.eu.3.member.team.bob.x", "state.eu.03.member.team.bob", "state.eu.3.member.team"] {
        assert_eq!(subject::parse_member_record(none), None, "{none}");
    }
}

#[test]
fn records_of_files_say_which_they_are() {
    let (eu, bob) = (region("eu"), user("bob"));
    let media = MediaId("01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap());
    let (record, same) =
        (subject::media_record(&eu, Shard(3), media), subject::media_same(&eu, Shard(3), Sha256([0xa0; 32])));
    let uploaded = subject::uploaded(&eu, Shard(3), &bob, media);
    assert_eq!(record, "state.eu.3.media.01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_eq!(same, format!("state.eu.3.same.{}", "a0".repeat(32)));
    assert_eq!(uploaded, "state.eu.3.uploaded.bob.01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_eq!(subject::parse_media_record(&record), Some(media));
    assert_eq!(subject::parse_media_same(&same), Some(Sha256([0xa0; 32])));
    assert_eq!(subject::parse_uploaded(&uploaded), Some((bob, media)));
    for none in [&uploaded, &same, "state.eu.3.media.*", "state.eu.03.media.01ARZ3NDEKTSV4RRFFQ69G5FAV", "state.eu.3"] {
        assert_eq!(subject::parse_media_record(none), None, "{none}");
    }
    assert_eq!(subject::parse_media_same(&same.to_uppercase()), None);
    assert_eq!(subject::parse_media_same(&same.replace("a0", "A0")), None);
    assert_eq!(subject::parse_uploaded(&record), None);
}

#[test]
fn subjects_are_those_of_the_design() {
    let (eu, bob, phone) = (region("eu"), user("bob"), DeviceName::new("phone").unwrap());
    for (built, expected) in [
        (Log::mailbox(&eu, 1, &bob).subject(), "log.eu.0.user.bob"),
        (Log::of(&eu, 1, "#team".parse::<dunlin_schema::Address>().unwrap().peer).subject(), "log.eu.0.group.team"),
        (subject::live(&Peer::User(bob.clone())), "user.bob"),
        (subject::live(&Peer::Group("team".parse().unwrap())), "group.team"),
        (subject::reader_record(&eu, Shard(3), "deliver"), "state.eu.3.reader.deliver"),
        (
            subject::device_record(&eu, Shard(3), &bob, &phone, &Peer::User(bob.clone())),
            "state.eu.3.device.bob.phone.user.bob",
        ),
        (
            subject::device_record(&eu, Shard(3), &bob, &phone, &Peer::Group("team".parse().unwrap())),
            "state.eu.3.device.bob.phone.group.team",
        ),
        (subject::mailbox_records(&eu, Shard(3), &bob), "state.eu.3.device.bob.*.user.bob"),
        (subject::device_records(&eu, Shard(3), &bob, &phone), "state.eu.3.device.bob.phone.>"),
        (
            subject::sent_marks(&eu, Shard(3), &bob, &Peer::User(user("alice")), &region("us")),
            "state.eu.3.mark.bob.sent.us.user.alice",
        ),
        (
            subject::read_mark(&eu, Shard(3), &bob, &Peer::Group("team".parse().unwrap()), &eu),
            "state.eu.3.mark.bob.read.eu.group.team",
        ),
        (subject::marks_of(&eu, Shard(3), &bob), "state.eu.3.mark.bob.>"),
        (subject::marks(&eu, Shard(3)), "state.eu.3.mark.>"),
        (subject::read_marks(&eu, Shard(3)), "state.eu.3.mark.*.read.>"),
        (subject::last_seen(&eu, Shard(3), &bob), "state.eu.3.seen.bob"),
        (subject::presence(&bob), "presence.bob"),
        (subject::gateways(&eu), "gateways.eu"),
        (subject::settings(&eu, Shard(3), &bob), "state.eu.3.settings.bob"),
        (subject::all_settings(&eu, Shard(3)), "state.eu.3.settings.*"),
        (subject::revocation(&eu, Shard(3), &Revoked::User(bob.clone())), "state.eu.3.revoked.user.bob"),
        (
            subject::revocation(&eu, Shard(3), &Revoked::Device(bob.clone(), phone.clone())),
            "state.eu.3.revoked.device.bob.phone",
        ),
        (subject::revocation(&eu, Shard(3), &Revoked::Token("a1".parse().unwrap())), "state.eu.3.revoked.token.a1"),
        (subject::revocations(&eu, Shard(3)), "state.eu.3.revoked.>"),
        (subject::accounts_service(&eu, Shard(3)), "accounts-eu-3"),
        (subject::change_settings(&eu, Shard(3)), "svc.eu.accounts-3.settings"),
        (subject::revoke(&eu, Shard(3)), "svc.eu.accounts-3.revoke"),
        (subject::changed_marks(&eu, Shard(3)), "svc.eu.receipts-3.marks"),
        (subject::receipts_service(&eu, Shard(3)), "receipts-eu-3"),
        (subject::remove_device(&eu, Shard(3)), "svc.eu.receipts-3.remove-device"),
        (subject::index_service(&eu, Shard(3)), "index-eu-3"),
        (subject::conversations(&eu, Shard(3)), "svc.eu.index-3.conversations"),
        (subject::history(&eu, Shard(3)), "svc.eu.index-3.history"),
        (subject::live(&Peer::Group("team".parse().unwrap())), "group.team"),
        (subject::group_record(&eu, Shard(3), &team()), "state.eu.3.group.team"),
        (subject::group_records(&eu, Shard(3)), "state.eu.3.group.*"),
        (subject::member_record(&eu, Shard(3), &team(), &bob), "state.eu.3.member.team.bob"),
        (subject::member_records(&eu, Shard(3), &team()), "state.eu.3.member.team.*"),
        (subject::member_everywhere(&eu, Shard(3), &bob), "state.eu.3.member.*.bob"),
        (subject::follows(&eu, Shard(3), &bob, &team()), "state.eu.3.follows.bob.team"),
        (subject::all_follows(&eu, Shard(3), &bob), "state.eu.3.follows.bob.*"),
        (
            subject::link(&eu, Shard(3), &team(), &key()),
            "state.eu.3.link.team.ERERERERERERERERERERERERERERERERERERERERERE",
        ),
        (subject::links(&eu, Shard(3), &team()), "state.eu.3.link.team.*"),
        (subject::shard_links(&eu, Shard(3)), "state.eu.3.link.>"),
        (subject::ending(&eu, Shard(3), &team()), "state.eu.3.ending.team"),
        (subject::endings(&eu, Shard(3)), "state.eu.3.ending.*"),
        (subject::groups_service(&eu, Shard(3)), "groups-eu-3"),
        (subject::group_command(&eu, Shard(3)), "svc.eu.groups-3.command"),
        (subject::receipt(&eu, Shard(3), &bob), "receipt.eu.3.bob"),
        (subject::group_receipt(&eu, Shard(3), &team()), "receipt.eu.3.group.team"),
        (subject::group_marks(&eu, Shard(3), &team(), 17), "state.eu.3.gmarks.team.17"),
        (subject::all_group_marks(&eu, Shard(3), &team()), "state.eu.3.gmarks.team.*"),
        (subject::group_marks_everywhere(&eu, Shard(3), 17), "state.eu.3.gmarks.*.17"),
        (subject::group_counts(&eu, Shard(3)), "svc.eu.receipts-3.counts"),
        (subject::heads_service(&eu, Shard(3)), "deliver-eu-3"),
        (subject::heads(&eu, Shard(3)), "svc.eu.deliver-3.heads"),
        (subject::verify(&eu, Shard(3)), "svc.eu.deliver-3.verify"),
        (stream::log_stream(&eu, Shard(3)), "LOG_eu_3"),
        (stream::state_stream(&eu, Shard(3)), "STATE_eu_3"),
        (stream::receipts_stream(&eu, Shard(3)), "RECEIPTS_eu_3"),
    ] {
        assert_eq!(built, expected);
    }
}

#[test]
fn records_of_people_name_one_thing_each() {
    let (eu, bob) = (region("eu"), user("bob"));
    assert_eq!(subject::parse_settings("state.eu.3.settings.bob"), Some(bob.clone()));
    let phone = DeviceName::new("phone").unwrap();
    for what in [
        Revoked::User(bob.clone()),
        Revoked::Device(bob, phone),
        Revoked::Token("Y1NhxIu56rFBmOduqKt_GkFoXWrWKqkUbTAdTxfrCuA".parse().unwrap()),
    ] {
        assert_eq!(subject::parse_revocation(&subject::revocation(&eu, Shard(3), &what)), Some(what));
    }
    for other in [
        "",
        "state.eu.3.settings",
        "state.eu.3.settings.bob.x",
        "state.eu.03.settings.bob",
        "state.eu.3.settings.*",
        "log.eu.3.settings.bob",
        "state.eu.3.revoked.user",
        "state.eu.3.revoked.user.bob.phone",
        "state.eu.3.revoked.device.bob",
        "state.eu.3.revoked.device.bob.phone.x",
        "state.eu.3.revoked.token.a.b",
        "state.eu.03.revoked.user.bob",
        "state.eu.3.device.bob.phone.user.bob",
    ] {
        assert_eq!((subject::parse_settings(other), subject::parse_revocation(other)), (None, None), "{other}");
    }
}

#[test]
fn a_message_id_names_log_sender_and_id() {
    let log = Log::mailbox(&region("eu"), 1, &user("bob"));
    let sender = Sender { user: user("alice"), region: region("us") };
    let id: MessageId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    let plain = "log.eu.0.user.bob:alice@us:01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(log.message_id(&sender, id, None), plain);
    let to = "carol@us".parse().unwrap();
    assert_eq!(log.message_id(&sender, id, Some(&to)), format!("{plain}:carol@us"), "of a copy it names the recipient");
}

#[test]
fn a_subject_that_names_no_log_is_refused() {
    for subject in [
        "",
        "log",
        "log.eu.0.user",
        "log.eu.0.user.",
        "log.eu.0.user.bob.x",
        "log..0.user.bob",
        "log.eu.00.user.bob",
        "log.eu.+1.user.bob",
        "log.eu.-1.user.bob",
        "log.eu.65536.user.bob",
        "log.eu.*.user.bob",
        "log.eu.0.user.>",
        "log.eu.0.device.bob",
        "state.eu.0.user.bob",
        " log.eu.0.user.bob",
        "log.eu.0.user.bob\r\n",
    ] {
        assert_eq!(Log::parse(subject), None, "{subject:?}");
    }
}

#[test]
fn a_subject_that_names_no_user_is_refused() {
    let logs = subject::Logs::of(&region("eu"), Shard(3));
    for tail in ["", "user", "user.", "user.*", "user.>", "user.bob.x", "users.bob", "device.bob"] {
        assert_eq!(logs.owner(&format!("log.eu.3.{tail}")), None, "{tail:?}");
    }
    for subject in ["log.eu.2.user.bob", "log.us.3.user.bob", "log.eu.3", "user.bob"] {
        assert_eq!(logs.owner(subject), None, "{subject:?}");
    }
    for subject in [
        "receipt.eu.3",
        "receipt.eu.03.bob",
        "receipt..3.bob",
        "receipt.eu.*.bob",
        "receipt.eu.3.bob.x",
        "log.eu.3.bob",
    ] {
        assert_eq!(subject::parse_receipt(subject), None, "{subject:?}");
        assert_eq!(subject::parse_group_receipt(subject), None, "{subject:?}");
    }
    for subject in ["receipt.eu.3.group", "receipt.eu.03.group.team", "receipt.eu.3.user.bob", "receipt.eu.3.group.a.b"]
    {
        assert_eq!(subject::parse_group_receipt(subject), None, "{subject:?}");
    }
    for subject in ["state.eu.3.gmarks.team", "state.eu.3.gmarks.team.017", "state.eu.3.gmarks.team.x"] {
        assert_eq!(subject::parse_group_marks(subject), None, "{subject:?}");
    }
    assert_eq!(subject::parse_group_marks("state.eu.3.gmarks.team.17"), Some(team()));
    assert_eq!(subject::parse_group_receipt("receipt.eu.3.group.team"), Some(team()));
    assert_eq!(subject::parse_receipt("receipt.eu.3.group"), Some(user("group")), "who may be called so");
}

#[test]
fn the_hash_is_fnv_1a() {
    // Source: the test vectors of draft-eastlake-fnv.
    for (text, hash) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("b", 0xe70c_2de5), ("foobar", 0xbf9c_f968)] {
        assert_eq!(fnv1a32(text.as_bytes()), hash, "{text:?}");
    }
    // A name's shard may never change: it says where its entries lie.
    for (name, shard) in [("alice", 7), ("bob", 4), ("team", 4)] {
        assert_eq!(Shard::of(name, 8), Shard(shard), "{name}");
    }
}

#[test]
fn names_are_spread_over_the_shards() {
    let mut count = HashMap::<Shard, u32>::new();
    for number in 0..8_000 {
        *count.entry(Shard::of(&format!("user{number}"), limits::SHARDS)).or_default() += 1;
    }
    assert_eq!(count.len(), usize::from(limits::SHARDS));
    assert!(count.values().all(|count| (800..1_200).contains(count)), "{count:?}");
}

#[test]
fn no_two_streams_share_a_name() {
    // Regions whose names end like another's shard number.
    let mut taken = HashMap::new();
    for name in ["a", "a_1", "a_1_0", "a-1", "a1", "LOG_a", "STATE_a", "_", "__0", "1", "0_1"] {
        for shard in (0..12).chain([100, 1_023]) {
            let (region, shard) = (region(name), Shard(shard));
            for built in [
                stream::log_stream(&region, shard),
                stream::state_stream(&region, shard),
                stream::receipts_stream(&region, shard),
                subject::heads_service(&region, shard),
            ] {
                let before = taken.insert(built.clone(), (region.clone(), shard));
                assert_eq!(before, None, "{built} is also that of {region} {shard}");
            }
        }
    }
}

proptest! {
    #[test]
    fn a_log_comes_back_as_it_was(log in strategy::log()) {
        prop_assert_eq!(Log::parse(&log.subject()), Some(log));
    }

    #[test]
    fn any_text_that_names_a_log_is_its_subject(text in "log\\.[a-b_.*>]{0,3}\\.[0-9+]{0,3}\\.(user|group|x)\\.[a-b.*>]{0,3}") {
        if let Some(log) = Log::parse(&text) {
            prop_assert_eq!(log.subject(), text);
        }
    }

    #[test]
    fn a_subject_never_has_more_tokens_than_its_kind(log in strategy::log(), device in strategy::device(), user in strategy::user()) {
        let tokens = |subject: String| {
            prop_assert!(subject.bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>'));
            Ok(subject.split('.').count())
        };
        prop_assert_eq!(tokens(log.subject())?, 5);
        prop_assert_eq!(tokens(subject::live(&log.owner))?, 2);
        let record = subject::device_record(&log.region, log.shard, &user, &device, &log.owner);
        prop_assert_eq!(subject::parse_device_record(&record), Some(device));
        prop_assert_eq!(tokens(record)?, 8);
        let mark = subject::sent_marks(&log.region, log.shard, &user, &log.owner, &log.region);
        let (kind, peer, region) = (subject::MarkRecord::Sent, log.owner.clone(), log.region.clone());
        let of = subject::MarkOf { user: user.clone(), kind, peer, region };
        prop_assert_eq!(subject::parse_mark(&mark), Some(of.clone()));
        prop_assert_eq!(tokens(mark)?, 9);
        let mark = subject::read_mark(&log.region, log.shard, &user, &log.owner, &log.region);
        let of = subject::MarkOf { kind: subject::MarkRecord::Read, ..of };
        prop_assert_eq!(subject::parse_mark(&mark), Some(of));
        prop_assert_eq!(subject::parse_mark(&format!("{mark}.x")), None);
        prop_assert_eq!(tokens(subject::remove_device(&log.region, log.shard))?, 4);
        prop_assert_eq!(tokens(subject::receipt(&log.region, log.shard, &user))?, 4);
        prop_assert_eq!(tokens(subject::heads(&log.region, log.shard))?, 4);
        prop_assert_eq!(subject::Logs::of(&log.region, log.shard).owner(&log.subject()), Some(log.owner));
        prop_assert_eq!(subject::parse_receipt(&subject::receipt(&log.region, log.shard, &user)), Some(user));
    }

    #[test]
    fn two_logs_never_share_a_stream_name(a in strategy::log(), b in strategy::log()) {
        let same = (&a.region, a.shard) == (&b.region, b.shard);
        prop_assert_eq!(stream::log_stream(&a.region, a.shard) == stream::log_stream(&b.region, b.shard), same);
    }

    #[test]
    fn a_stream_name_tells_its_region_and_shard(region in strategy::region(), shard in any::<u16>()) {
        let name = stream::log_stream(&region, Shard(shard));
        let (rest, number) = name.rsplit_once('_').unwrap();
        prop_assert_eq!(rest.strip_prefix("LOG_"), Some(region.as_str()));
        prop_assert_eq!(number.parse(), Ok(shard));
    }

    #[test]
    fn two_message_ids_are_of_one_item(
        a in (strategy::log(), strategy::sender(), strategy::id()),
        b in (strategy::log(), strategy::sender(), strategy::id()),
    ) {
        let text = |(log, sender, id): &(Log, Sender, MessageId)| log.message_id(sender, *id, None);
        prop_assert_eq!(text(&a) == text(&b), a == b);
    }

    #[test]
    fn a_shard_is_below_the_count(peer in strategy::peer(), shards in any::<u16>(), region in strategy::region()) {
        let log = Log::of(&region, shards, peer.clone());
        prop_assert!(log.shard.0 < shards.max(1));
        prop_assert_eq!(log.owner, peer);
    }
}

#[test]
fn a_user_and_a_group_of_one_name_have_two_logs() {
    let log = |peer: Peer| Log::of(&region("eu"), 8, peer);
    let group = "#bob".parse::<dunlin_schema::Address>().unwrap().peer;
    assert_ne!(log(Peer::User(user("bob"))).subject(), log(group).subject());
}
