//! Every bound of the system, once. Sizes are bytes, spans are [`Millis`] unless the name says otherwise.

use crate::Millis;

const fn seconds(count: u64) -> Millis {
    Millis(count * 1_000)
}

/// A name of a user, group, region or device.
pub const NAME_BYTES: usize = 64;
/// One WebSocket message, and one HTTP body.
pub const FRAME_BYTES: usize = 256 * 1024;
/// What a gateway's sockets may together hold of messages that are not whole, above [`GATHERED_FREE`] each.
pub const GATHERED_BYTES: usize = 256 * 1024 * 1024;
/// What each socket may hold of a message that is not whole without being counted.
pub const GATHERED_FREE: usize = 4 * 1024;
/// Text and data of one message together.
pub const BODY_BYTES: usize = 32 * 1024;
/// Attachments of one message.
pub const ATTACHMENTS: usize = 16;
/// A file.
pub const MEDIA_BYTES: u64 = 100 * 1024 * 1024;
/// A part of a file that is uploaded; the last one may be smaller.
pub const MEDIA_PART_BYTES: u64 = 8 * 1024 * 1024;
/// A file's name.
pub const FILE_NAME_BYTES: usize = 255;
/// A media type: what RFC 6838 gives a type and a subtype, 127 each, and what is between them.
pub const MEDIA_TYPE_BYTES: usize = 255;
/// A ThumbHash in base64: 25 bytes at most.
pub const BLUR_CHARS: usize = 36;
/// How long an upload may take, and how long what was uploaded stays when nothing refers to it.
pub const MEDIA_UPLOADED_FOR: Millis = seconds(24 * 3_600);
/// How much longer than a message a file stays that it refers to: clocks differ, and workers may stand still.
pub const MEDIA_SLACK: Millis = seconds(8 * 24 * 3_600);
/// Messages that refer to a file, as its record names them.
pub const MEDIA_REFERENCES: usize = 16;
/// What one person's files may have together, when nothing else is said.
pub const MEDIA_QUOTA: u64 = 10 * 1024 * 1024 * 1024;
/// As how many of these bytes a file counts at least: what is recorded of it takes room, and is read when its person begins another.
pub const MEDIA_COUNTED: u64 = 256 * 1024;
/// For how long the address of a download holds.
pub const DOWNLOAD_HOLDS: Millis = seconds(5 * 60);
/// How long a media worker may take over a question before it says that it is busy.
pub const MEDIA_WITHIN: Millis = seconds(4);
/// Members whom a message in a group may mention.
pub const MENTIONS: usize = 64;
/// Characters of a reaction's emoji: a couple kissing, each with a skin tone, has as many, and no emoji that Unicode recommends has more.
pub const EMOJI_CHARS: usize = 10;
/// An id as a client wrote it, where it is repeated to it.
pub const ID_BYTES: usize = 128;
/// A cursor's text, of any release.
pub const CURSOR_BYTES: usize = 512;
/// A token in its compact form.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// Logs that one `hello` may name.
pub const CURSORS: usize = 512;
/// Entries that a log keeps.
pub const MAILBOX_ENTRIES: u64 = 10_000;
/// How long a log keeps an entry.
pub const RETENTION: Millis = seconds(30 * 24 * 3_600);
/// How much younger than the retention a cursor's `at` must be to prove that nothing has expired.
pub const RETENTION_SLACK: Millis = seconds(3_600);
/// Frames that wait for one socket.
pub const OUTBOUND_FRAMES: usize = 256;
/// Bytes that wait for one socket.
pub const OUTBOUND_BYTES: usize = 256 * 1024;
/// Entries in one read of a log.
pub const READ_ENTRIES: usize = 256;
/// Reads of a session that are under way at once, of whichever logs.
pub const READS_AT_ONCE: usize = 4;
/// Bytes in one read of a log.
pub const READ_BYTES: usize = 256 * 1024;
/// How long one read from a replica may take before it is repeated.
pub const READ_TIMEOUT: Millis = Millis(250);
/// Repeats of a read before the leader is asked.
pub const READ_RETRIES: u32 = 2;
/// How long a new connection has for its `hello`.
pub const HELLO_WITHIN: Millis = seconds(5);
/// How long a `hello` waits for its answer: for the key of its token, and for where its device goes on.
pub const WELCOME_WITHIN: Millis = seconds(5);
/// The span between two pings of one connection. What a client had begun to say at one ping must be whole at the next: a message may
/// take so long, and never twice as long.
pub const PING_EVERY: Millis = seconds(25);
/// Pings in a row that a client may leave unanswered before it is taken for gone.
pub const PINGS_UNANSWERED: u32 = 2;
/// Members of a group.
pub const GROUP_MEMBERS: u32 = 100_000;
/// People whom one command of a group names.
pub const GROUP_USERS: usize = 256;
/// Groups that one person is in.
pub const GROUPS: usize = 500;
/// Times of being a member of one group that are remembered of one person.
pub const WINDOWS: usize = 16;
/// Entries that a group's log may be ahead of its records.
pub const GROUP_AHEAD: u64 = 1_000;
/// How long a gateway waits for the groups worker: what is not answered by then may be stored.
pub const GROUP_WITHIN: Millis = seconds(4);
/// How long a gateway waits until the records of a group say what was done in it, where there is time: it is done, whatever they say.
pub const GROUP_IN_STEP: Millis = seconds(2);
/// By when a command in a group is answered, whatever its records say.
pub const GROUP_ANSWERED: Millis = Millis(4_500);
/// Lookups of what somebody may read of a group that are under way at once in a gateway; further ones wait for their turn.
pub const GROUP_LOOKS: usize = 64;
/// Groups a second that one user makes.
pub const GROUPS_MADE_PER_SECOND: u32 = 5;
/// Groups of one user at once.
pub const GROUPS_MADE_BURST: u32 = GROUPS as u32;
/// People a second whom one user adds to groups, whichever these are.
pub const ADDED_PER_SECOND: u32 = 2_000;
/// People at once.
pub const ADDED_BURST: u32 = 20_000;
/// Invitations of a group that hold at once.
pub const LINKS: usize = 64;
/// How long an invitation holds where nobody says anything.
pub const LINK_LASTS: Millis = seconds(7 * 24 * 3_600);
/// The longest that one holds.
pub const LINK_LASTS_AT_MOST: Millis = seconds(30 * 24 * 3_600);
/// The shortest: times to live are counted in whole seconds.
pub const LINK_LASTS_AT_LEAST: Millis = seconds(1);
/// Members of a group beyond which signals are not carried in it.
pub const GROUP_SIGNALLED: u32 = 200;
/// Members in one answer, and groups.
pub const MEMBERS_PAGE: u16 = 100;
/// How long it is remembered that somebody was a member: until nothing that they may read is still there.
pub const MEMBER_KEPT: Millis = seconds(32 * 24 * 3_600);
/// Parts into which the marks of a group's members are divided: of each, all members' are one record.
pub const GROUP_MARK_PARTS: u16 = 256;
/// Runs of entries that are remembered of what a member's devices have of a group's log.
pub const GROUP_MARK_SPANS: usize = 4;
/// Acknowledgements and read marks of a group's members in one item of a gateway.
pub const GROUP_ITEM: usize = 1_024;
/// The least span between two items of one group from one gateway.
pub const GROUP_ITEM_EVERY: Millis = seconds(1);
/// The last messages of a group whose members are counted while they acknowledge and read.
pub const GROUP_COUNTED: usize = 64;
/// Messages to one group of which their sender is told how far they have come, the last ones.
pub const GROUP_SENT_COUNTED: usize = 16;
/// The least span between two counts of a group of up to [`GROUP_LARGE`] members.
pub const GROUP_COUNTED_EVERY: Millis = seconds(1);
/// From so many members on a group is counted less often.
pub const GROUP_LARGE: u32 = 1_000;
/// The least span between two counts of a larger one.
pub const GROUP_LARGE_COUNTED_EVERY: Millis = seconds(5);
/// Members in one answer about who has a message.
pub const REACHED_PAGE: u16 = 100;
/// Devices of one user that are connected at once.
pub const DEVICES: usize = 16;
/// How long a gateway waits for the others to say which of a user's devices they hold.
pub const ROLL_CALL: Millis = Millis(250);
/// Devices of one user that are remembered, with those that were removed: of more, the one forgotten is the one heard from longest ago.
pub const DEVICES_KEPT: usize = 256;
/// How long a device is remembered after it was last heard from, or removed.
pub const DEVICE_KEPT: Millis = seconds(90 * 24 * 3_600);
/// How long it is remembered that somebody was erased, to erase what comes back of them.
pub const ERASURE_KEPT: Millis = seconds(90 * 24 * 3_600);
/// Devices that are listed for their user.
pub const DEVICES_LISTED: usize = 256;
/// Characters of what a user calls a device.
pub const TITLE_CHARS: usize = 64;
/// People whose presence one question asks for, and whom one connection watches.
pub const PRESENCE_USERS: usize = 200;
/// How long a gateway waits for others to say that they hold a device of somebody; it asks a second time.
pub const PRESENCE_WITHIN: Millis = Millis(500);
/// How long somebody's last device must be gone before that is told: one that connects anew within it was never away.
pub const PRESENCE_GRACE: Millis = Millis(500);
/// How often a gateway asks again for somebody who is watched there, where nothing is said to have changed.
pub const PRESENCE_ASKED_EVERY: Millis = seconds(60);
/// How often where nobody could say.
pub const PRESENCE_UNKNOWN_ASKED_EVERY: Millis = seconds(10);
/// How often it is written down that somebody is still connected.
pub const SEEN_EVERY: Millis = seconds(30 * 60);
/// How long it is remembered when somebody was last seen.
pub const SEEN_KEPT: Millis = seconds(90 * 24 * 3_600);
/// How often a gateway says that it is there.
pub const GATEWAY_BEATS_EVERY: Millis = seconds(10);
/// How long a gateway may say nothing before others ask again for the people whom it held.
pub const GATEWAY_SILENT: Millis = seconds(25);
/// The span between two acknowledgements of one log that a session passes on.
pub const ACKNOWLEDGE_EVERY: Millis = Millis(250);
/// How long after a device has come back with a cursor this is passed on as what it has, where it has acknowledged nothing since; up to
/// twice as long, so that many who come back at once do not say so at once.
pub const CURSOR_ACKNOWLEDGED_AFTER: Millis = seconds(60);
/// `read` frames a second of one user.
pub const READS_PER_SECOND: u32 = 50;
/// `read` frames of one user at once.
pub const READS_BURST: u32 = 200;
/// Receipts and read marks that wait for one socket, the newest of each pair. Where there are more, they are read again from STATE.
pub const MARKS_WAITING: usize = 256;
/// People whom one person may block.
pub const BLOCKED: usize = 1_000;
/// People whose settings a gateway keeps, and those whom they have blocked.
pub const SETTINGS_CACHED: usize = 200_000;
/// Of somebody who lets contacts write, the contacts that a gateway keeps.
pub const CONTACTS_CACHED: usize = 1_000;
/// For how long somebody who was written to is looked for in their own mailbox: by then the marks of what was delivered to them say so.
pub const CONTACT_RECENT: Millis = seconds(5 * 60);
/// The longest life of a token that is trusted, from when it was issued to its end: for so long it is remembered what was revoked.
pub const TOKEN_LIFE: Millis = seconds(400 * 24 * 3_600);
/// Senders that an acknowledgement names: where there are more, the worker reads who sent what is acknowledged.
pub const SENDERS_HINTED: usize = 64;
/// Changes of the marks of one pair that are remembered with their times.
pub const MARK_CHANGES: usize = 64;
/// Ranges below the mark of a pair that no device is known to have: where there are more, the nearest are one.
pub const MARK_SPANS: usize = 16;
/// How long a pair's marks are remembered after they last rose.
pub const MARK_KEPT: Millis = seconds(90 * 24 * 3_600);
/// The least span between two writes of one record of marks, and of one device's record: what comes meanwhile is brought together.
pub const MARKS_EVERY: Millis = Millis(250);
/// Records of marks of a shard whose last writes a receipts worker remembers for the comparison of marks.
pub const MARKS_REMEMBERED: usize = 65_536;
/// For how long back it remembers them when it begins.
pub const MARKS_REMEMBERED_FOR: Millis = seconds(600);
/// Changes that an answer about marks names.
pub const MARKS_PAGE: usize = 4_096;
/// Conversations in one answer.
pub const CONVERSATIONS_PAGE: u16 = 50;
/// Groups of one shard that the index is asked about at once: two records of each are read with one question.
pub const GROUPS_ASKED: usize = 500;
/// Messages in one answer about a conversation.
pub const HISTORY_PAGE: u16 = 100;
/// Reactions of both sides to one message that are kept with it; further ones are entries like others, and stand nowhere else.
pub const REACTIONS_KEPT: usize = 64;
/// How long the index waits until it has what the mailbox has, before it says that it is behind.
pub const INDEX_IN_STEP: Millis = seconds(1);
/// How long a gateway waits for the index.
pub const INDEX_TIMEOUT: Millis = seconds(3);
/// Questions of one connection that are under way, or whose answer was not written yet.
pub const ASKS_IN_FLIGHT: usize = 16;
/// Questions of all connections of a gateway that are under way at once.
pub const ASKS_AT_ONCE: usize = 1_024;
/// How long a question may take before it is refused.
pub const ASK_WITHIN: Millis = seconds(5);
/// Questions a second of one user.
pub const ASKS_PER_SECOND: u32 = 50;
/// Questions of one user at once.
pub const ASKS_BURST: u32 = 200;
/// Signals a second of one user.
pub const SIGNALS_PER_SECOND: u32 = 10;
/// Signals of one user at once.
pub const SIGNALS_BURST: u32 = 30;
/// For how long a signal tells of this moment: one that was on its way for longer is let go. Gateways' clocks differ by less.
pub const SIGNAL_HOLDS: Millis = seconds(10);
/// Where so much waits for one socket beside entries, a signal is let go.
pub const SIGNALS_WAITING: usize = 64;
/// Sends a second of one user.
pub const SENDS_PER_SECOND: u32 = 200;
/// Sends of one user at once.
pub const SENDS_BURST: u32 = 500;
/// As how many sends one counts that costs more than its storing: whose id is not young enough for the fresh path, so that it is looked
/// for, or that has a message overwritten.
pub const LATE_SEND_COUNTS: u32 = 10;
/// The least that a send beyond a user's share is told to wait, so that thousands of them are not back at once.
pub const SHARE_RETRY_AFTER: Millis = seconds(1);
/// Sends of one session that wait for their turn or their answer.
pub const SENDS_IN_FLIGHT: usize = 1_024;
/// How long a send waits behind others to the same address that have no answer: what has not got its turn by then is refused for now.
pub const SEND_WAITS: Millis = seconds(10);
/// Posts over HTTP that are under way at once in a gateway: their bodies are read, or they wait for their answer.
pub const POSTS_AT_ONCE: usize = 1_024;
/// Those of one user, in whose name they are.
pub const POSTS_OF_ONE_USER: usize = 256;
/// How far ahead of the server an id's time may be.
pub const CLOCK_SKEW: Millis = seconds(30);
/// How young an id must be for the fresh path of an append.
pub const FRESH_FOR: Millis = seconds(30);
/// How far before an id's time (or a reader's position) the late path of an append begins to read.
pub const LATE_MARGIN: Millis = seconds(60);
/// Late appends of one process that read many pages at once.
pub const LATE_SCANS: usize = 8;
/// Those of one process that look for an earlier message and read many pages at once.
pub const LOOK_SCANS: usize = 4;
/// JetStream's duplicate window, and how long a single server must have been up for it to be whole.
pub const DUPLICATE_WINDOW: Millis = seconds(120);
/// How long an append is retried before its outcome is unknown.
pub const APPEND_FOR: Millis = seconds(5);
/// How long one publish waits for its acknowledgement.
pub const PUBLISH_TIMEOUT: Millis = seconds(2);
/// The span between two comparisons of heads.
pub const HEADS_EVERY: Millis = seconds(15);
/// Users in one page of a comparison.
pub const HEADS_PAGE: usize = 4_096;
/// How long a comparison waits for its answer.
pub const HEADS_TIMEOUT: Millis = seconds(2);
/// Unanswered comparisons after which sessions poll and the gateway is not ready.
pub const HEADS_UNANSWERED: u32 = 2;
/// Mailboxes in a deliver reader's map of heads.
pub const HEADS_MAP: usize = 1_000_000;
/// How often a reader saves its position.
pub const LEASE_RENEWED_EVERY: Millis = seconds(1);
/// How long a reader's record stands unchanged before a standby takes over.
pub const LEASE: Millis = seconds(3);
/// How often a quiet socket is told a fresh cursor.
pub const CURSOR_REFRESHED_EVERY: Millis = seconds(24 * 3_600);
/// Ids that a client library remembers, to drop repeats.
pub const CLIENT_REMEMBERS: usize = 1_024;
/// Items that a client library repeats after a gap.
pub const CLIENT_REPEATS: usize = 1_024;
/// How far back a client library repeats after a gap.
pub const CLIENT_REPEATS_FOR: Millis = seconds(24 * 3_600);
/// Shards of a region, when nothing else is said.
pub const SHARDS: u16 = 8;
/// Shards of a region at most.
pub const SHARDS_MAX: u16 = 1_024;
/// Bytes of a shard's log at least: below this not even a few of the largest entries fit.
pub const LOG_BYTES_MIN: u64 = 1024 * 1024;

/// The bounds that the session, reader and append cores take as an argument: [`Bounds::STANDARD`] everywhere but in the simulation,
/// which scales them down so that a short schedule meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Entries that a log keeps.
    pub mailbox_entries: u64,
    /// How long a log keeps an entry.
    pub retention: Millis,
    /// How much younger than the retention a cursor's `at` must be to prove that nothing has expired.
    pub retention_slack: Millis,
    /// How often a quiet socket is told a fresh cursor.
    pub cursor_refreshed_every: Millis,
    /// Frames that wait for one socket.
    pub outbound_frames: usize,
    /// Bytes that wait for one socket.
    pub outbound_bytes: usize,
    /// Mailboxes in a deliver reader's map of heads.
    pub heads_map: usize,
    /// Logs in a question about heads.
    pub heads_page: usize,
}

impl Bounds {
    /// The limits of this module.
    pub const STANDARD: Bounds = Bounds {
        mailbox_entries: MAILBOX_ENTRIES,
        retention: RETENTION,
        retention_slack: RETENTION_SLACK,
        cursor_refreshed_every: CURSOR_REFRESHED_EVERY,
        outbound_frames: OUTBOUND_FRAMES,
        outbound_bytes: OUTBOUND_BYTES,
        heads_map: HEADS_MAP,
        heads_page: HEADS_PAGE,
    };
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds::STANDARD
    }
}

const _: () = {
    assert!(
        BODY_BYTES * 6 + 4 * 1024 < FRAME_BYTES,
        "a body fits into a frame, even where JSON writes each of its bytes as \\u00XX"
    );
    assert!(FRAME_BYTES * 16 <= GATHERED_BYTES, "a few that send slowly do not keep the others from sending");
    assert!(GATHERED_FREE < FRAME_BYTES);
    assert!(
        FRAME_BYTES <= OUTBOUND_BYTES,
        "the largest frame fits into the outbound queue, and so does the entry that it becomes"
    );
    assert!(READ_ENTRIES <= OUTBOUND_FRAMES, "a read fits into the outbound queue");
    assert!(READ_BYTES <= OUTBOUND_BYTES, "a read fits into the outbound queue");
    assert!(
        FRESH_FOR.0 + CLOCK_SKEW.0 + APPEND_FOR.0 + PUBLISH_TIMEOUT.0 < DUPLICATE_WINDOW.0,
        "whatever is still fresh meets its first try inside the duplicate window"
    );
    assert!(CLOCK_SKEW.0 < LATE_MARGIN.0, "the late path reads back past every clock that is let in");
    assert!(LEASE_RENEWED_EVERY.0 * 2 < LEASE.0, "one lost write does not cost the lease");
    assert!(RETENTION_SLACK.0 < RETENTION.0);
    assert!(HEADS_TIMEOUT.0 < HEADS_EVERY.0);
    assert!(SENDS_BURST >= SENDS_PER_SECOND);
    assert!(ASKS_BURST >= ASKS_PER_SECOND);
    assert!(SIGNALS_BURST >= SIGNALS_PER_SECOND);
    assert!(GROUPS_MADE_BURST >= GROUPS_MADE_PER_SECOND);
    assert!(ADDED_BURST >= ADDED_PER_SECOND && ADDED_BURST as usize >= GROUP_USERS, "one command fits");
    assert!(PRESENCE_WITHIN.0 * 4 < ASK_WITHIN.0, "one who does not answer leaves time for the others");
    assert!(
        PRESENCE_USERS * (2 * NAME_BYTES + 64) < OUTBOUND_BYTES,
        "an answer about presence fits into the outbound queue"
    );
    assert!(2 * GATEWAY_BEATS_EVERY.0 < GATEWAY_SILENT.0, "one beat may be lost");
    assert!(
        GATEWAY_SILENT.0 + 4 * PRESENCE_WITHIN.0 < PING_EVERY.0 * PINGS_UNANSWERED as u64,
        "a gateway's death is seen within the two pings that a client has"
    );
    assert!(ROLL_CALL.0 * 4 < ASK_WITHIN.0, "who waits for a roll call has time for the rest");
    assert!(
        RETENTION.0 < DEVICE_KEPT.0,
        "a forgotten device goes on from the beginning, and nothing that it acknowledged is still there by then"
    );
    assert!(
        RETENTION.0 < ERASURE_KEPT.0
            && DEVICE_KEPT.0 <= ERASURE_KEPT.0
            && MARK_KEPT.0 <= ERASURE_KEPT.0
            && SEEN_KEPT.0 <= ERASURE_KEPT.0,
        "of somebody erased, nothing that ends by itself comes back when their erasure is forgotten"
    );
    assert!(
        GROUP_USERS * (2 * NAME_BYTES + 8) + 8 * 1024 < OUTBOUND_BYTES
            && GROUP_USERS * (2 * NAME_BYTES + 8) < BODY_BYTES * 6,
        "whom a command of a group names fits into an entry"
    );
    assert!(RETENTION.0 < MEMBER_KEPT.0);
    assert!(MEDIA_BYTES.div_ceil(MEDIA_PART_BYTES) <= 16, "the parts of a file fit into an answer");
    assert!(MEDIA_WITHIN.0 < ASK_WITHIN.0, "of a file that is looked at nobody says that it had no answer");
    assert!(PUBLISH_TIMEOUT.0 < GROUP_WITHIN.0, "the worker knows what came of its append before it is given up");
    assert!(
        GROUP_WITHIN.0 < GROUP_ANSWERED.0 && GROUP_ANSWERED.0 < ASK_WITHIN.0 && GROUP_IN_STEP.0 < ASK_WITHIN.0,
        "of a command nobody says that it had no answer"
    );
    assert!(
        // Twice as many as there are in the mean.
        2 * (GROUP_MEMBERS as usize / GROUP_MARK_PARTS as usize)
            * (NAME_BYTES + GROUP_MARK_SPANS * 20 + 24 + 4 * (NAME_BYTES / 2 + 56))
            < 1024 * 1024,
        "of a part of a group's members, with four devices each, the marks fit into a record"
    );
    assert!(GROUP_ITEM * (2 * NAME_BYTES + 64) < 1024 * 1024, "what a gateway says of a group fits into an item");
    assert!(
        GROUP_LARGE_COUNTED_EVERY.0 + PUBLISH_TIMEOUT.0 < 10_000,
        "what waits for its turn does not come again meanwhile"
    );
    assert!(RETENTION.0 < MARK_KEPT.0, "nothing that forgotten marks were about is still there");
    assert!(MARKS_EVERY.0 * 4 < PUBLISH_TIMEOUT.0, "what waits for its turn does not come again meanwhile");
    assert!(MARKS_PAGE <= MARKS_REMEMBERED);
    assert!(HEADS_EVERY.0 * 4 < MARKS_REMEMBERED_FOR.0, "whoever compares regularly is told by every worker");
    assert!(DEVICES < DEVICES_KEPT, "no device that is connected makes room for another one that is");
    assert!(
        DEVICES_LISTED * (NAME_BYTES + TITLE_CHARS * 4 + 96) < OUTBOUND_BYTES,
        "a list of devices fits into the outbound queue"
    );
    assert!(
        BODY_BYTES * 6
            + REACTIONS_KEPT * (3 * NAME_BYTES + EMOJI_CHARS * 4)
            + MENTIONS * (2 * NAME_BYTES + 4)
            + ATTACHMENTS * (2 * FILE_NAME_BYTES + MEDIA_TYPE_BYTES + BLUR_CHARS + 192)
            + 8 * 1024
            < FRAME_BYTES,
        "a message fits into an answer with all its reactions"
    );
    assert!(INDEX_IN_STEP.0 < INDEX_TIMEOUT.0 && INDEX_TIMEOUT.0 < ASK_WITHIN.0);
    assert!(BLOCKED * (2 * NAME_BYTES + 8) < OUTBOUND_BYTES, "a list of blocks fits into the outbound queue");
    assert!(LATE_SEND_COUNTS <= SENDS_BURST, "one late send is within everybody's share");
    assert!(SHARDS <= SHARDS_MAX);
    assert!(TOKEN_BYTES < FRAME_BYTES);
    assert!(POSTS_OF_ONE_USER < POSTS_AT_ONCE && POSTS_AT_ONCE <= SENDS_IN_FLIGHT);
};
