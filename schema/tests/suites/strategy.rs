//! Arbitrary values of the schema's types.

mod counts;
mod groups;
mod live;
mod media;

use std::fmt::Debug;

use bytes::Bytes;
use dunlin_schema::{
    Address, Blob, Code, Content, Cursor, CursorText, DeviceName, Entry, Epoch, GroupAddress, GroupName, Log, LogName,
    MessageId, Millis, Open, Peer, Position, RegionName, Sender, Seq, Shard, SignalKind, Span, Spans, StreamTime,
    Title, UserName,
    content::{Change, Failed, GroupChange, Membership, Settings},
    entry::Body,
    frame::{
        Answer, AnswerFrame, Ask, ClientFrame, ConversationItem, DeviceItem, EntryFrame, Goodbye, HistoryEntry, Limits,
        Question, ReactionItem, Send, ServerFrame, StartAt,
    },
    index::{Message, Place, Reaction},
    presence::{Presence, PresenceState},
    settings::Audience,
};
use proptest::{collection, option, prelude::*, sample::select};
use smol_str::SmolStr;

use self::groups::{group_item, group_settings, link_token, member_item, question_of_a_group};
pub(crate) use self::live::user_message;

pub(crate) fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,64}"
}

pub(crate) fn user() -> impl Strategy<Value = UserName> {
    name().prop_map(|name| UserName::new(&name).unwrap())
}

pub(crate) fn group() -> impl Strategy<Value = GroupName> {
    name().prop_map(|name| GroupName::new(&name).unwrap())
}

pub(crate) fn region() -> impl Strategy<Value = RegionName> {
    name().prop_map(|name| RegionName::new(&name).unwrap())
}

pub(crate) fn device() -> impl Strategy<Value = DeviceName> {
    name().prop_map(|name| DeviceName::new(&name).unwrap())
}

fn signal_kind() -> impl Strategy<Value = SignalKind> {
    name().prop_map(|name| SignalKind::new(&name).unwrap())
}

pub(crate) fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![user().prop_map(Peer::User), group().prop_map(Peer::Group)]
}

pub(crate) fn address() -> impl Strategy<Value = Address> {
    (peer(), option::of(region())).prop_map(|(peer, region)| Address { peer, region })
}

pub(crate) fn sender() -> impl Strategy<Value = Sender> {
    (user(), region()).prop_map(|(user, region)| Sender { user, region })
}

pub(crate) fn id() -> impl Strategy<Value = MessageId> {
    any::<[u8; 16]>().prop_map(MessageId::from_bytes)
}

pub(crate) fn seq() -> impl Strategy<Value = Seq> {
    prop_oneof![0..300_u64, 0..=Seq::MAX.0, Just(Seq::MAX.0)].prop_map(Seq)
}

pub(crate) fn spans() -> impl Strategy<Value = Spans> {
    collection::vec((seq(), seq()), 0..5)
        .prop_map(|ends| ends.into_iter().map(|(above, upto)| Span { above, upto }).collect())
}

pub(crate) fn millis() -> impl Strategy<Value = Millis> {
    any::<u64>().prop_map(Millis)
}

pub(crate) fn position() -> impl Strategy<Value = Position> {
    (any::<u64>(), seq(), any::<u64>()).prop_map(|(epoch, seq, time)| Position {
        epoch: Epoch(epoch),
        seq,
        time: StreamTime(time),
    })
}

pub(crate) fn log() -> impl Strategy<Value = Log> {
    (region(), any::<u16>(), peer()).prop_map(|(region, shard, owner)| Log { region, shard: Shard(shard), owner })
}

pub(crate) fn group_address() -> impl Strategy<Value = GroupAddress> {
    (group(), option::of(region())).prop_map(|(group, region)| GroupAddress { group, region })
}

pub(crate) fn log_name() -> impl Strategy<Value = LogName> {
    prop_oneof![Just(LogName::Mailbox), group_address().prop_map(LogName::group)]
}

pub(crate) fn cursor() -> impl Strategy<Value = Cursor> {
    (position(), millis(), seq()).prop_map(|(position, at, began)| Cursor { position, at, began })
}

pub(crate) fn cursor_text() -> impl Strategy<Value = CursorText> {
    (cursor(), log()).prop_map(|(cursor, log)| cursor.seal(&log))
}

pub(crate) fn bytes() -> impl Strategy<Value = Bytes> {
    collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    let blob = || option::of(bytes().prop_map(Blob));
    prop_oneof![
        (
            option::of(any::<String>()),
            blob(),
            collection::vec(media::attachment(), 0..3),
            option::of(id()),
            addresses()
        )
            .prop_map(|(text, data, attachments, reply_to, mentions)| Content::Message {
                text,
                data,
                attachments,
                reply_to,
                mentions
            }),
        (id(), option::of(any::<String>()), blob()).prop_map(|(target, text, data)| Content::Edit {
            target,
            text,
            data
        }),
        id().prop_map(|target| Content::Delete { target }),
        (id(), any::<String>(), any::<bool>()).prop_map(|(target, emoji, on)| Content::React { target, emoji, on }),
        (group_address(), addresses(), open(select(Change::ALL)), address()).prop_map(|(group, users, change, by)| {
            Content::Membership(Box::new(Membership { group, users, change, by }))
        }),
        (
            group_address(),
            open(select(GroupChange::ALL)),
            option::of(title()),
            group_settings(),
            addresses(),
            address()
        )
            .prop_map(|(group, change, title, settings, users, by)| {
                Content::Settings(Box::new(Settings { group, change, title, settings, users, by }))
            }),
        (id(), address(), open(code()), any::<String>())
            .prop_map(|(id, to, code, message)| Content::Failed(Box::new(Failed { id, to, code, message }))),
    ]
}

fn addresses() -> impl Strategy<Value = Vec<Address>> {
    collection::vec(address(), 0..4)
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let body = prop_oneof![
        content().prop_map(Body::Content),
        (sender(), id()).prop_map(|(sender, id)| Body::Tombstone { sender, id }),
    ];
    (id(), sender(), address(), option::of(seq()), millis(), body).prop_map(|(id, from, to, order, time, body)| Entry {
        id,
        from,
        to,
        order,
        time,
        body,
    })
}

pub(crate) fn start_at() -> impl Strategy<Value = StartAt> {
    prop_oneof![Just(StartAt::Beginning), Just(StartAt::Live), cursor_text().prop_map(StartAt::Cursor)]
}

pub(crate) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let cursors = collection::btree_map(open(log_name()), start_at(), 0..4);
    prop_oneof![
        (option::of(any::<String>()), option::of(device()), cursors)
            .prop_map(|(token, device, cursors)| ClientFrame::Hello { token, device, cursors }),
        (id(), any::<String>(), content()).prop_map(|(id, to, content)| ClientFrame::Send(Send { id, to, content })),
        (open(log_name()), seq()).prop_map(|(log, delivered)| ClientFrame::Ack { log, delivered }),
        (0..=Seq::MAX.0, question()).prop_map(|(reference, what)| ClientFrame::Ask(Ask { reference, what })),
        (any::<String>(), any::<String>()).prop_map(|(to, kind)| ClientFrame::Signal { to, kind }),
        (any::<String>(), seq()).prop_map(|(with, upto)| ClientFrame::Read { with, upto }),
    ]
}

fn question() -> BoxedStrategy<Question> {
    let users = || collection::vec(any::<String>(), 0..4);
    prop_oneof![
        Just(Question::Devices {}),
        device().prop_map(|device| Question::DeviceRemove { device }),
        users().prop_map(|users| Question::Presence { users }),
        users().prop_map(|users| Question::Watch { users }),
        any::<String>().prop_map(|confirm| Question::Erase { confirm }),
        (option::of(seq()), 1..=Seq::MAX.0).prop_map(|(after, limit)| Question::Conversations { after, limit }),
        (address(), option::of(seq()), 1..=Seq::MAX.0).prop_map(|(with, before, limit)| Question::History {
            with,
            before,
            limit
        }),
        address().prop_map(|user| Question::Block { user }),
        address().prop_map(|user| Question::Unblock { user }),
        Just(Question::Blocks {}),
        (option::of(audience()), option::of(audience()))
            .prop_map(|(who_may_write, who_sees_presence)| Question::Set { who_may_write, who_sees_presence }),
        Just(Question::Settings {}),
        (address(), seq()).prop_map(|(to, order)| Question::Receipts { to, order }),
        (device(), option::of(title())).prop_map(|(device, title)| Question::DeviceName { device, title }),
        question_of_a_group(),
        media::question(),
    ]
    .boxed()
}

pub(crate) fn title() -> impl Strategy<Value = Title> {
    "\\PC{1,64}".prop_filter_map("no title", |text| text.parse().ok())
}

pub(crate) fn audience() -> impl Strategy<Value = Audience> {
    select(Audience::ALL)
}

fn answer() -> BoxedStrategy<Answer> {
    let item = (device(), option::of(millis()), any::<bool>(), option::of(title()));
    let items = item.prop_map(|(device, last_seen, here, title)| DeviceItem { device, last_seen, here, title });
    prop_oneof![
        Just(Answer::Done {}),
        collection::vec(items, 0..4).prop_map(|items| Answer::Devices { items }),
        collection::btree_map(open(address()), presence(), 0..4).prop_map(|users| Answer::Presence { users }),
        (collection::vec(conversation(), 0..3), option::of(seq()))
            .prop_map(|(items, next)| Answer::Conversations { items, next }),
        (collection::vec(history_entry(), 0..3), option::of(seq()))
            .prop_map(|(entries, next)| Answer::History { entries, next }),
        collection::vec(address(), 0..4).prop_map(|users| Answer::Blocks { users }),
        (open(audience()), open(audience()))
            .prop_map(|(who_may_write, who_sees_presence)| Answer::Settings { who_may_write, who_sees_presence }),
        (millis(), option::of(millis()), option::of(millis())).prop_map(|(stored, delivered, read)| Answer::Receipts {
            stored,
            delivered,
            read
        }),
        group_item().prop_map(|item| Answer::Group(Box::new(item))),
        (collection::vec(member_item(), 0..3), option::of(seq()))
            .prop_map(|(items, next)| Answer::Members { items, next }),
        (collection::vec(group_item(), 0..3), option::of(seq()))
            .prop_map(|(items, next)| Answer::Groups { items, next }),
        (link_token(), millis()).prop_map(|(token, expires)| Answer::Link { token, expires }),
        counts::answer(),
        media::answer(),
    ]
    .boxed()
}

fn conversation() -> BoxedStrategy<ConversationItem> {
    let counts = (0..=Seq::MAX.0, 0..=Seq::MAX.0);
    (open(address()), option::of(history_entry()), counts, option::of(seq()), option::of(title()))
        .prop_map(|(with, last, (unread, mentions), read, title)| ConversationItem {
            with,
            last,
            unread,
            read,
            mentions,
            title,
        })
        .boxed()
}

fn history_entry() -> BoxedStrategy<HistoryEntry> {
    let reaction = (open(address()), any::<String>(), millis());
    let reaction = reaction.prop_map(|(from, emoji, time)| ReactionItem { from, emoji, time });
    let reactions = collection::vec(reaction, 0..3);
    let whose = (id(), open(address()), open(address()));
    (seq(), millis(), whose, option::of(seq()), content(), option::of(millis()), reactions)
        .prop_map(|(seq, time, (id, from, to), order, content, edited, reactions)| HistoryEntry {
            seq,
            time,
            id,
            from,
            to,
            order,
            content: content.into(),
            edited,
            reactions,
        })
        .boxed()
}

pub(crate) fn indexed() -> impl Strategy<Value = Message> {
    let place = || (seq(), any::<u64>()).prop_map(|(seq, time)| Place { seq, time: StreamTime(time) });
    let reaction = (any::<bool>(), any::<String>(), millis());
    let reaction = reaction.prop_map(|(mine, emoji, time)| Reaction { mine, emoji, time });
    (place(), id(), any::<bool>(), millis(), seq(), option::of(place()), collection::vec(reaction, 0..3))
        .prop_map(|(at, id, mine, time, order, edit, reactions)| Message { at, id, mine, time, order, edit, reactions })
}

fn presence() -> impl Strategy<Value = Presence> {
    (open(select(PresenceState::ALL)), option::of(millis()))
        .prop_map(|(state, last_seen)| Presence { state, last_seen })
}

fn unknown() -> impl Strategy<Value = SmolStr> {
    // No name of this release, and no address of a group.
    "~[a-z_]{0,40}".prop_map(SmolStr::from)
}

fn open<T: Debug + Clone>(known: impl Strategy<Value = T>) -> impl Strategy<Value = Open<T>> {
    prop_oneof![3 => known.prop_map(Open::Known), 1 => unknown().prop_map(Open::Unknown)]
}

pub(crate) fn code() -> impl Strategy<Value = Code> {
    select(Code::ALL)
}

pub(crate) fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let limits = (any::<u32>(), any::<u32>()).prop_map(|(frame, body)| Limits { frame, body });
    let entry = (
        open(log_name()),
        seq(),
        cursor_text(),
        millis(),
        id(),
        open(address()),
        open(address()),
        option::of(seq()),
        content(),
    );
    prop_oneof![
        (user(), device(), region(), millis(), limits).prop_map(|(user, device, region, server_time, limits)| {
            ServerFrame::Welcome { user, device, region, server_time, limits }
        }),
        (open(log_name()), millis(), millis(), cursor_text()).prop_map(|(log, from, to, cursor)| ServerFrame::Gap {
            log,
            from,
            to,
            cursor
        }),
        entry.prop_map(|(log, seq, cursor, time, id, from, to, order, content)| {
            ServerFrame::Entry(Box::new(EntryFrame {
                log,
                seq,
                cursor,
                time,
                id,
                from,
                to,
                order,
                content: content.into(),
            }))
        }),
        (open(log_name()), seq(), cursor_text()).prop_map(|(log, seq, cursor)| ServerFrame::CaughtUp {
            log,
            seq,
            cursor
        }),
        (id(), option::of(seq()), millis()).prop_map(|(id, order, time)| ServerFrame::Accepted { id, order, time }),
        (any::<String>(), open(code()), any::<String>(), option::of(millis()))
            .prop_map(|(id, code, message, retry_after)| ServerFrame::Rejected { id, code, message, retry_after }),
        (option::of(any::<u64>()), open(code()), any::<String>(), option::of(millis())).prop_map(
            |(reference, code, message, retry_after)| ServerFrame::Refused { reference, code, message, retry_after }
        ),
        (open(code()), any::<String>(), option::of(millis()))
            .prop_map(|(code, message, retry_after)| ServerFrame::Goodbye(Goodbye { code, message, retry_after })),
        (any::<u64>(), answer()).prop_map(|(reference, what)| {
            let what = what.into();
            ServerFrame::Answer(AnswerFrame { reference, what })
        }),
        (open(address()), any::<String>()).prop_map(|(from, kind)| ServerFrame::Signal { from, kind }),
        (open(address()), presence()).prop_map(|(user, Presence { state, last_seen })| ServerFrame::Presence {
            user,
            state,
            last_seen
        }),
        (
            option::of(open(address())),
            open(address()),
            option::of(seq()),
            any::<[Option<u64>; 2]>(),
            any::<Option<u32>>(),
            (millis(), option::of(millis()), spans())
        )
            .prop_map(|(by, to, order, [delivered, read], of, (time, since, missing))| ServerFrame::Receipt {
                by,
                to,
                order,
                delivered,
                read,
                of,
                time,
                since,
                missing
            }),
        (open(address()), seq()).prop_map(|(with, read)| ServerFrame::Marked { with, read }),
        (open(address()), open(address()), any::<String>()).prop_map(|(group, from, kind)| ServerFrame::GroupSignal {
            group,
            from,
            kind
        }),
    ]
}
