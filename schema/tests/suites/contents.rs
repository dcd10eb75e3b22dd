//! What may be sent.

use dunlin_schema::{
    Attachment, Blob, Code, Content, MediaId, MessageId, RegionName,
    content::{Change, ContentError, Failed, GroupChange, Membership, Settings},
    group::GroupSettings,
    limits,
};

fn message(text: Option<usize>, data: Option<usize>, attachments: usize) -> Content {
    let data = data.map(|length| Blob(vec![0; length].into()));
    let text = text.map(|length| "x".repeat(length));
    let attachments = (0..attachments).map(|number| picture(number as u8)).collect();
    Content::Message { text, data, attachments, reply_to: None, mentions: vec![] }
}

fn picture(number: u8) -> Attachment {
    Attachment::named(MediaId(MessageId::from_bytes([number; 16])), None)
}

fn twice() -> Content {
    let attachments = vec![picture(1), picture(2), picture(1)];
    Content::Message { text: None, data: None, attachments, reply_to: None, mentions: vec![] }
}

fn mentioning(users: &[&str]) -> Content {
    let mentions = users.iter().map(|user| user.parse().unwrap()).collect();
    Content::Message { text: Some("hi".to_owned()), data: None, attachments: vec![], reply_to: None, mentions }
}

fn mentioning_many(count: usize) -> Content {
    let users: Vec<_> = (0..count).map(|number| format!("user{number}")).collect();
    mentioning(&users.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn content_is_checked() {
    let target = MessageId::from_bytes([7; 16]);
    let most = limits::BODY_BYTES;
    let edit = |text: Option<&str>| Content::Edit { target, text: text.map(str::to_owned), data: None };
    let react = |emoji: String| Content::React { target, emoji, on: false };
    let membership = Content::Membership(Box::new(Membership {
        group: "#team".parse().unwrap(),
        users: vec!["bob".parse().unwrap()],
        change: Change::Added.into(),
        by: "alice".parse().unwrap(),
    }));
    let settings = Content::Settings(Box::new(Settings {
        group: "#team".parse().unwrap(),
        change: GroupChange::Created.into(),
        title: None,
        settings: GroupSettings::default(),
        users: Vec::new(),
        by: "alice".parse().unwrap(),
    }));
    let (to, code) = ("bob".parse().unwrap(), Code::UnknownOutcome.into());
    let failed = Content::Failed(Box::new(Failed { id: target, to, code, message: String::new() }));
    for (content, checked) in [
        (message(Some(1), None, 0), Ok(())),
        (message(None, Some(1), 0), Ok(())),
        (message(Some(most), None, 0), Ok(())),
        (message(Some(most / 2), Some(most / 2), 0), Ok(())),
        (message(Some(most), Some(1), 0), Err(ContentError::TooLarge(most + 1))),
        (message(None, Some(most + 1), 0), Err(ContentError::TooLarge(most + 1))),
        (message(None, None, 0), Err(ContentError::Empty)),
        (message(Some(0), Some(0), 0), Err(ContentError::Empty)),
        (message(Some(1), None, 1), Ok(())),
        (message(None, None, limits::ATTACHMENTS), Ok(())),
        (message(Some(0), Some(0), 1), Ok(())),
        (message(Some(most + 1), None, 1), Err(ContentError::TooLarge(most + 1))),
        (twice(), Err(ContentError::Attachments)),
        (
            message(Some(1), None, limits::ATTACHMENTS + 1),
            Err(ContentError::TooManyAttachments(limits::ATTACHMENTS + 1)),
        ),
        (mentioning(&["bob", "bob@eu"]), Ok(())),
        (mentioning(&["bob", "carol", "bob"]), Err(ContentError::Mentions)),
        (mentioning(&["bob", "#team"]), Err(ContentError::Mentions)),
        (mentioning_many(limits::MENTIONS), Ok(())),
        (mentioning_many(limits::MENTIONS + 1), Err(ContentError::Mentions)),
        (edit(Some("x")), Ok(())),
        (edit(None), Err(ContentError::Empty)),
        (Content::Delete { target }, Ok(())),
        (react("👍".to_owned()), Ok(())),
        (membership, Err(ContentError::Systems)),
        (failed, Err(ContentError::Systems)),
        (settings, Err(ContentError::Systems)),
    ] {
        assert_eq!(content.check(), checked, "{:.100}", format!("{content:?}"));
    }
}

/// A table row of its own: an emoji of 50 letters.
#[test]
fn an_emoji_is_one_emoji() {
    let target = MessageId::from_bytes([7; 16]);
    let check = |emoji: &str| Content::React { target, emoji: emoji.to_owned(), on: true }.check();
    for emoji in [
        "👍",
        "👍🏽",
        "❤",
        "❤️",
        "☺︎",
        "©",
        "ℹ️",
        "‼",
        "🇪🇺",
        "🏴",
        &tagged("🏴", "gbeng"),
        &tagged("🏴", "gbsct"),
        &tagged("🏴", "gbwls"),
        "#️⃣",
        "7⃣",
        "👨‍👩‍👧‍👦",
        "👩🏾‍❤️‍💋‍👨🏻",
        "🏳️‍🌈",
        "🐻‍❄️",
        "👻‍👻‍👻",
        "🪉",
        "🫪",
    ] {
        assert_eq!(check(emoji), Ok(()), "{emoji:?}");
    }
    for none in [
        "",
        " ",
        "x",
        "7",
        "#",
        "é",
        "好",
        "\u{200d}",
        "\u{fe0f}",
        "👍👍",
        "🐻‍❄️🐻‍❄️",
        "0123",
        "12#*45",
        &"\u{200d}".repeat(8),
        "👍 ",
        "x👍",
        "ok",
        "\n",
        "🇪",
        "👍\u{200d}",
        "👍\u{301}",
        "7\u{1f3fd}",
        "7\u{301}\u{20e3}",
        "\u{20e3}",
        &"x".repeat(50),
        &"👍".repeat(50),
        // Tags are letters that nobody sees.
        &tagged("👍", "gbeng"),
        &tagged("🏴", "ustx"),
        &tagged("🏴", ""),
        &tagged("🏴", "gbengx"),
        &tagged("🏴", "gbenggbsct"),
        &tagged("🏴", "GBENG"),
        &tagged("🏴\u{fe0f}", "gbeng"),
        tagged("🏴", "gbeng").trim_end_matches('\u{e007f}'),
        &tagged("🏴", "gbeng").repeat(2),
        &format!("{}\u{200d}👍", tagged("🏴", "gbeng")),
        "👍\u{e007f}",
        "👍\u{e0001}",
        "\u{e0067}",
    ] {
        assert_eq!(check(none), Err(ContentError::Emoji), "{none:?}");
    }
    // The couple above, with a joiner and another person behind: longer than any that people have.
    let couple = "👩🏾‍❤️‍💋‍👨🏻";
    assert_eq!(couple.chars().count(), limits::EMOJI_CHARS);
    for piled in [format!("{couple}\u{fe0f}"), format!("{couple}\u{200d}👩"), format!("👍{}", "\u{200d}👍".repeat(20))]
    {
        assert_eq!(check(&piled), Err(ContentError::Emoji), "{piled:?}");
    }
}

/// An emoji with letters behind it that are written as tags.
fn tagged(emoji: &str, letters: &str) -> String {
    let tags = letters.bytes().map(|letter| char::from_u32(0xe_0000 + u32::from(letter)).unwrap());
    emoji.chars().chain(tags).chain(['\u{e007f}']).collect()
}

#[test]
fn reactions_are_compared_without_variation_selectors() {
    use dunlin_schema::content::reaction_key;
    for (one, other) in [("❤", "❤\u{fe0f}"), ("❤\u{fe0e}", "❤"), ("1\u{20e3}", "1\u{fe0f}\u{20e3}")] {
        assert_eq!(reaction_key(one), reaction_key(other));
    }
    let family = "👩\u{200d}❤\u{fe0f}\u{200d}👩";
    assert_eq!(reaction_key(family), "👩\u{200d}❤\u{200d}👩", "what joins them stays");
    assert_ne!(reaction_key("👍"), reaction_key("👍\u{1f3fd}"), "a skin tone makes another one");
}

#[test]
fn who_reads_is_told_other_regions_alone() {
    let seen = |region: &str| {
        let users = vec!["bob@eu".parse().unwrap(), "carol@us".parse().unwrap()];
        let (group, by) = ("#team@eu".parse().unwrap(), "alice@eu".parse().unwrap());
        let said = Membership { group, users, change: Change::Added.into(), by };
        let said = Content::Membership(Box::new(said)).seen_from(&RegionName::new(region).unwrap());
        let Content::Membership(said) = said else { panic!("another kind") };
        format!("{} {} {} by {}", said.group, said.users[0], said.users[1], said.by)
    };
    for (region, expected) in [
        ("eu", "#team bob carol@us by alice"),
        ("us", "#team@eu bob@eu carol by alice@eu"),
        ("asia", "#team@eu bob@eu carol@us by alice@eu"),
    ] {
        assert_eq!(seen(region), expected, "{region}");
    }
}
