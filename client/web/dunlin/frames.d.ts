// What clients and gateways say to each other in JSON, frame by frame. Made out of the types in `schema`: change those, then
// cargo run -p dunlin-schema --example typescript > client/web/dunlin/frames.d.ts

export type ClientFrame =
    | HelloFrame
    | SendFrame
    | AckFrame
    | AskFrame
    | SignalFrame
    | ReadFrame;

export type ServerFrame =
    | WelcomeFrame
    | GapFrame
    | EntryFrame
    | CaughtUpFrame
    | AcceptedFrame
    | RejectedFrame
    | RefusedFrame
    | GoodbyeFrame
    | AnswerFrame
    | ServerSignalFrame
    | PresenceFrame
    | ReceiptFrame
    | MarkedFrame
    | GroupSignalFrame;

/** A send is stored. */
export type AcceptedFrame = { accepted: {
    /** The send's id. */
    id: MessageId;
    /** When it was accepted. */
    time: Millis;
    /** Rises with each item of this sender to this address. */
    order?: Seq | null;
} };

/** This device has everything of a log up to a sequence. */
export type AckFrame = { ack: {
    /** The log. One that is not followed here is answered with `refused`. */
    log: OpenLog;
    /** Up to this sequence. */
    delivered: Seq;
} };

/** Such as "alice", "alice@eu", "#team", "#team@eu". */
export type Address = string;

/** What is answered. */
export type Answer =
    /** It is done, and stored. */
    | { done: object }
    /** The user's devices. */
    | { devices: {
        /**
         * Each once, in the order of their names: 256 at most. Of more, those are left out that were not seen for
         * longest.
         */
        items: DeviceItem[];
    } }
    /** Whether people are connected. */
    | { presence: {
        /** Each under the address that was asked for. */
        users: Record<string, Presence>;
    } }
    /** The user's conversations. */
    | { conversations: {
        /** Each once, the one with the latest message first. */
        items: ConversationItem[];
        /** Where the next page begins; `null` where there is none. */
        next?: Seq | null;
    } }
    /** The messages of a conversation, without those that were taken back. */
    | { history: {
        /** The latest first. */
        entries: HistoryEntry[];
        /** Where the next page begins; `null` where there is none. */
        next?: Seq | null;
    } }
    /** Whom the user has blocked. */
    | { blocks: {
        /** Each once, in the order of their names. */
        users: Address[];
    } }
    /** The user's settings. */
    | { settings: {
        /** Who may write to the user. */
        who_may_write: OpenAudience;
        /** Who sees whether the user is there, and when they were last. */
        who_sees_presence: OpenAudience;
    } }
    /** When something that the user sent was stored, delivered and read. */
    | { receipts: {
        /** When it was accepted. */
        stored: Millis;
        /** When it had come to a device of the recipient's, at the latest; `null` where nothing is known of that. */
        delivered?: Millis | null;
        /** When the recipient had read it, at the latest; `null` where nothing is known of that. */
        read?: Millis | null;
    } }
    /** A group. */
    | { group: GroupItem }
    /** Who is in a group. */
    | { members: {
        /**
         * Each once, in the order in which they last changed what they are. One who changes meanwhile may come twice.
         */
        items: MemberItem[];
        /** Where the next page begins; `null` where there is none. */
        next?: Seq | null;
    } }
    /** The groups that the user is in. */
    | { groups: {
        /** In the order in which the user joined them. */
        items: GroupItem[];
        /** Where the next page begins; `null` where there is none. */
        next?: Seq | null;
    } }
    /** By what people join a group. */
    | { link: {
        /** The token: whoever has it may. */
        token: LinkToken;
        /** Until when it holds. */
        expires: Millis;
    } }
    /** To how many members of a group something came that the user sent. */
    | { counts: {
        /** When it was accepted. */
        stored: Millis;
        /** Members that may read it, beside the user. */
        of: number;
        /** How many of them have it. */
        delivered: number;
        /** How many of them have read it. */
        read: number;
    } }
    /** To which members of a group something came that the user sent. */
    | { receipts_of: {
        /** In the order of their names, without the user. */
        items: ReachedItem[];
        /** The last member named, where more may follow; `null` where there is none. */
        next?: OpenAddress | null;
    } }
    /** It is done, but for these people, who do not let the user add them to a group. */
    | { without: {
        /** Who. Which of their settings says so is not told. */
        users: OpenAddress[];
        /** The group that was made, where that was asked for. */
        group?: GroupItem | null;
    } }
    /** What is to be uploaded, and where. */
    | { upload: {
        /** What it is called from now on. */
        media: MediaId;
        /** What is to be put: nothing, where the bytes are there already. */
        parts: UploadPart[];
        /** Until when. */
        expires: Millis;
        /**
         * Where the bytes are there already: what `upload_done` answers with `proof`, in base64url without padding.
         */
        challenge?: string | null;
    } }
    /**
     * A file, as messages may name it. Its `media` is another one than that of the upload where the same bytes had been
     * stored before.
     */
    | { media: Attachment }
    /** Where a file can be had. */
    | { download: {
        /** By `GET`. One without a host is of the gateway that says so, or of any other of the region. */
        url: string;
        /** What is to stand in the request. */
        headers: Record<string, string>;
        /** What it is. */
        type: MediaType;
        /** Until when. */
        expires: Millis;
        /** Its bytes; `null` of a small picture. */
        size?: number | null;
    } };

/** The answer to a question. */
export type AnswerFrame = { answer: Answered };

/** The answer to a question. */
export interface Answered {
    /** The question's number. */
    ref: number;
    /** The answer. */
    what: ExtensibleAnswer;
}

/** A question. */
export interface Ask {
    /** The client's number for it: the answer bears it. Two questions of one number are both answered. */
    ref: number;
    /** What is asked. */
    what: Question;
}

/** A question. */
export type AskFrame = { ask: Ask };

/**
 * A file that goes with a message. A sender names `media` and, if it likes, `name`; the rest is written by the gateway,
 * whatever the sender says of it.
 */
export interface Attachment {
    /** The file. */
    media: MediaId;
    /** Of a picture, a ThumbHash in base64: what to show until it is there. */
    blur?: string | null;
    /** Of sound and film, how long it plays, in ms. */
    duration?: Millis | null;
    /** Of a picture, its height in pixels as it is shown. */
    height?: number | null;
    /** What its sender calls it. */
    name?: FileName | null;
    /** Its bytes. */
    size?: number | null;
    /** Whether there is a small picture of it. */
    thumbnail?: boolean | null;
    /** What it is, by its bytes. */
    type?: MediaType | null;
    /** Of a picture, its width in pixels as it is shown. */
    width?: number | null;
}

/** Whom something is for. */
export type Audience =
    /** Everybody who is not blocked. */
    | "everybody"
    /** Those to whom the person has written. */
    | "contacts"
    /** Nobody. */
    | "nobody";

export type Blob = string;

/** From here on the log's entries are live. */
export type CaughtUpFrame = { caught_up: {
    /** The log. */
    log: OpenLog;
    /** Where the log ends for this device, whether or not that entry was given to it; 0 while there never was one. */
    seq: Seq;
    /** Where the log goes on. */
    cursor: Cursor;
} };

/** What became of a membership. */
export type Change =
    /** The user is a member from here on. */
    | "added"
    /** Somebody else removed the user: the last entry of the group that it gets. */
    | "removed"
    /** The user left. */
    | "left"
    /** The user is a member as others are from here on. */
    | "member"
    /** The user is an admin from here on. */
    | "admin"
    /** The user is an owner from here on. */
    | "owner";

/** A code that a client can be told. On the wire its name in snake case. */
export type Code =
    /** The gateway is going away. */
    | "draining"
    /** The token's time is over. */
    | "token_expired"
    /** The token was revoked, or the user removed the device that it came with. */
    | "token_revoked"
    /** There is no token, or it is not to be trusted. */
    | "unauthorized"
    /** The token does not allow this. */
    | "forbidden"
    /** No `hello` came in time. */
    | "hello_timeout"
    /** A frame or a request that can't be read, or comes out of turn. */
    | "bad_frame"
    /** A frame or a body over the limit. */
    | "too_large"
    /** The same device connected again. */
    | "replaced"
    /** The user has as many devices connected as are allowed. */
    | "too_many_devices"
    /** More than the user's share. */
    | "rate_limited"
    /** The user belongs to a region that this gateway does not serve. */
    | "elsewhere"
    /** The region's storage can't be reached, or refuses; or nobody can say now whether the token is to be trusted. */
    | "unavailable"
    /** A frame of a kind that this release does not know. */
    | "unknown_frame"
    /** A well-formed request for something that this release does not do. */
    | "unsupported"
    /** An address that is none. */
    | "bad_address"
    /** Content that may not be sent. */
    | "bad_content"
    /** The id is older than what can be looked up: the item may be stored. */
    | "too_old"
    /** The id's time is ahead of the server's. */
    | "from_the_future"
    /** It may be stored; repeat the same id. */
    | "unknown_outcome"
    /** The recipient's region can't be reached, and what waits for it has no more room. */
    | "region_unreachable"
    /** A log that this gateway does not follow for the user. */
    | "unknown_log"
    /** What an `edit` or a `delete` names is no message of the author's to this address, or is no longer stored. */
    | "not_yours"
    /**
     * What is named is not there: a page, a message of this conversation that is still stored, a device of the user's,
     * an invitation that holds.
     */
    | "not_found"
    /** A cursor that this gateway can't open: its log goes on as if none had been named. */
    | "bad_cursor"
    /** An id that is no ULID. */
    | "bad_id"
    /** A question that this release does not know. */
    | "unknown_question"
    /** A question that this release knows, in a form that it does not have. */
    | "bad_question"
    /** Whom it is for does not let the user write to them, or add them to a group. */
    | "refused"
    /** There is no such group, or the user is not in it. */
    | "not_a_member"
    /** The user's role in the group does not allow this. */
    | "not_allowed"
    /** There is a group of this name, or there was one. */
    | "exists"
    /**
     * As many as may be are there already: members of the group, its invitations, groups of the user, or bytes of the
     * user's files.
     */
    | "too_many"
    /** A file that was not uploaded whole, or is not what it was announced to be. */
    | "not_uploaded"
    /** A file whose bytes the store has lost. */
    | "media_lost";

/** What is sent: a message, or something about an earlier one. */
export type Content =
    /** A message. */
    | { message: {
        /** Media that goes with it. */
        attachments?: Attachment[] | null;
        /** What a program reads. */
        data?: Blob | null;
        /** Of a message in a group, members whom it is meant for above others: each once. */
        mentions?: Address[] | null;
        /** The message that this one answers. */
        reply_to?: MessageId | null;
        /** What a person reads. */
        text?: string | null;
    } }
    /** New words for an earlier message. */
    | { edit: {
        /** The message to change. */
        target: MessageId;
        /** Its new data. */
        data?: Blob | null;
        /** Its new text. */
        text?: string | null;
    } }
    /** An earlier message is taken back. */
    | { delete: {
        /** The message to take back. */
        target: MessageId;
    } }
    /** A reaction to an earlier message. */
    | { react: {
        /** The message reacted to. */
        target: MessageId;
        /** The reaction. */
        emoji: string;
        /** Whether it is set or taken back. */
        on: boolean;
    } }
    /** Said by the system alone: a group's members changed. */
    | { membership: Membership }
    /** Said by the system alone: something that was accepted could not be delivered. */
    | { failed: Failed }
    /** Said by the system alone: a group was made, changed or deleted. */
    | { settings: Settings };

/** A conversation. */
export interface ConversationItem {
    /** The other side: a person, or a group. */
    with: OpenAddress;
    /** Messages of others that the user has not read, of those that are kept. */
    unread: number;
    /** Its last message as it is now; `null` where there is none, as in a new group, or where that went meanwhile. */
    last?: HistoryEntry | null;
    /** How many of the unread ones mention the user. */
    mentions?: number;
    /** Up to which order the user has read what others sent; `null` where nothing is known of that. */
    read?: Seq | null;
    /** What the group is called; `null` of a person. */
    title?: Title | null;
}

/** Opaque. Keep it as it came, and give it back in the next hello. */
export type Cursor = string;

/** A device of the user's. */
export interface DeviceItem {
    /** Its name. */
    device: DeviceName;
    /** Whether it is the device that asks. */
    here: boolean;
    /** `null` while it is connected; otherwise the time of the last acknowledgement by which something was learned. */
    last_seen?: Millis | null;
    /** What the user calls it, if anything. */
    title?: Title | null;
}

export type DeviceName = string;

/** An entry of a log, as a client sees it. */
export interface Entry {
    /** The log. */
    log: OpenLog;
    /** The entry's sequence: rises within the log. */
    seq: Seq;
    /** Where the log goes on after this entry. */
    cursor: Cursor;
    /** When it was accepted. */
    time: Millis;
    /** The id its sender gave it. */
    id: MessageId;
    /** Who sent it. */
    from: OpenAddress;
    /** What it was sent to. */
    to: OpenAddress;
    /** What it says. */
    content: ExtensibleContent;
    /** Its order among what the sender sent to `to`. */
    order?: Seq | null;
}

/** An entry of a log. */
export type EntryFrame = { entry: Entry };

/** A newer release may say what is not listed: pass over it, and keep what stands beside it. */
export type ExtensibleAnswer = Answer | object;

/** A newer release may say what is not listed: pass over it, and keep what stands beside it. */
export type ExtensibleContent = Content | object;

/** Something that was accepted could not be delivered. */
export interface Failed {
    /** Its id. */
    id: MessageId;
    /** What it was sent to. */
    to: Address;
    /** Why. */
    code: OpenCode;
    /** The same in words. */
    message: string;
}

export type FileName = string;

/** Entries after the cursor are no longer there, or can't be shown to be complete. */
export type GapFrame = { gap: {
    /** The log. */
    log: OpenLog;
    /** Nothing is missing before this time. */
    from: Millis;
    /** Nothing is missing after this time. */
    to: Millis;
    /** Where the log goes on. */
    cursor: Cursor;
} };

/** Why a socket ends. */
export interface Goodbye {
    /** Why. */
    code: OpenCode;
    /** The same in words. */
    message: string;
    /** When to try again, in milliseconds; `null` where that can't help. */
    retry_after?: Millis | null;
}

/** The last frame before the close. */
export type GoodbyeFrame = { goodbye: Goodbye };

/** Such as "#team", "#team@eu". */
export type GroupAddress = string;

/** What became of a group. */
export type GroupChange =
    /** It is there from here on. */
    | "created"
    /** Its title or its settings are others from here on. */
    | "changed"
    /** It is no more: the last entry of its log. */
    | "deleted";

/** A group, as one of its members sees it. */
export interface GroupItem {
    /** Its address. */
    group: OpenAddress;
    /** How many members it has. */
    members: number;
    /** What it has decided about itself. */
    settings: GroupSettings;
    /** What the user is in it. */
    role: OpenGroupRole;
    /** What it is called. */
    title?: Title | null;
}

/** What a member is in a group. A greater one may do all that a lesser one may. */
export type GroupRole =
    /** Reads, and writes where the group's settings let members write. */
    | "member"
    /** Adds and removes members, deletes messages, changes the title and the settings. */
    | "admin"
    /** Also says who is an admin or an owner, and deletes the group. A group has at least one owner. */
    | "owner";

/** What a group has decided about itself. */
export interface GroupSettings {
    /** Who may add members. */
    who_may_add: OpenWhoMay;
    /** Who may write messages. */
    who_may_write: OpenWhoMay;
    /** Whether those who join see what was written before. */
    history: boolean;
}

/** How settings are to be: what is left out stays as it is. */
export interface GroupSettingsChange {
    /** Whether those who join see what was written before. */
    history?: boolean | null;
    /** Who may add members. */
    who_may_add?: WhoMay | null;
    /** Who may write messages. */
    who_may_write?: WhoMay | null;
}

/** Something that somebody does just now in a group. */
export type GroupSignalFrame = { group_signal: {
    /** Which. */
    group: OpenAddress;
    /** Who. */
    from: OpenAddress;
    /** What. */
    kind: string;
} };

/** The first frame, within 5 s: who is there, and where each log is to go on. */
export type HelloFrame = { hello: {
    /**
     * Where to go on, by log. One that this gateway does not follow for the user is passed over, and `refused` says
     * which. Where a cursor can't be opened, `refused` says so too, and the log goes on as if none had been named:
     * after what was last acknowledged.
     */
    cursors?: Record<string, StartAt | null> | null;
    /** Which of the user's devices this is. */
    device?: DeviceName | null;
    /**
     * The JWT, where it did not come in the `Authorization` header. Where both are there this one counts, and `sub`
     * must be the same.
     */
    token?: string | null;
} };

/** A message as it is now. */
export interface HistoryEntry {
    /** The sequence of its entry in the user's mailbox, or in the group's log. */
    seq: Seq;
    /** When it was accepted. */
    time: Millis;
    /** The id its sender gave it. */
    id: MessageId;
    /** Who sent it. */
    from: OpenAddress;
    /** What it was sent to. */
    to: OpenAddress;
    /** What it says now, after its last edit. */
    content: ExtensibleContent;
    /** The reactions to it that stand, the oldest first; the first 64 of them. */
    reactions: ReactionItem[];
    /** When its last edit was accepted. */
    edited?: Millis | null;
    /** Its order among what the sender sent to `to`. */
    order?: Seq | null;
}

/** What a client must keep to. */
export interface Limits {
    /** Bytes of one frame. */
    frame: number;
    /** Bytes of one message's text and data. */
    body: number;
}

/** Whoever has it may join the group that it names. */
export type LinkToken = string;

/** Such as "mailbox", "#team", "#team@eu". */
export type Log = string;

/** A read mark of the user's own is stored. */
export type MarkedFrame = { marked: {
    /** With whom: a person or a group. */
    with: OpenAddress;
    /** Up to this order. */
    read: Seq;
} };

export type MediaId = string;

/** Such as "image/jpeg". */
export type MediaType = string;

/** A member of a group. */
export interface MemberItem {
    /** Who. */
    user: OpenAddress;
    /** What they are in the group. */
    role: OpenGroupRole;
    /** When they joined. */
    joined: Millis;
}

/** A group's members changed. */
export interface Membership {
    /** The group. */
    group: GroupAddress;
    /** Whose membership: each once, [`limits::GROUP_USERS`] at most. */
    users: Address[];
    /** What became of it. */
    change: OpenChange;
    /** Who did it. */
    by: Address;
}

export type MessageId = string;

/** Milliseconds since the Unix epoch, or a span of them. */
export type Millis = number;

/** A newer release may say what is not listed: pass over it. */
export type OpenAddress = Address;

/** A newer release may say what is not listed: pass over it. */
export type OpenAudience = Audience | (string & {});

/** A newer release may say what is not listed: pass over it. */
export type OpenChange = Change | (string & {});

/** A newer release may say what is not listed: pass over it. */
export type OpenCode = Code | (string & {});

/** A newer release may say what is not listed: pass over it. */
export type OpenGroupChange = GroupChange | (string & {});

/** A newer release may say what is not listed: pass over it. */
export type OpenGroupRole = GroupRole | (string & {});

/** A newer release may say what is not listed: pass over it. */
export type OpenLog = Log;

/** A newer release may say what is not listed: pass over it. */
export type OpenPresenceState = PresenceState | (string & {});

/** A newer release may say what is not listed: pass over it. */
export type OpenWhoMay = WhoMay | (string & {});

/** Whether somebody is connected, and when they last were. */
export interface Presence {
    /** Whether they are connected. */
    state: OpenPresenceState;
    /** When they last were, where they are not; `null` where nobody knows, or nobody is to know. */
    last_seen?: Millis | null;
}

/** How somebody is who is watched. */
export type PresenceFrame = { presence: {
    /** Who. */
    user: OpenAddress;
    /** Whether they are connected. */
    state: OpenPresenceState;
    /** When they last were, where they are not; `null` where nobody knows, or nobody is to know. */
    last_seen?: Millis | null;
} };

/** Whether somebody is connected. */
export type PresenceState =
    /** At least one device is. */
    | "online"
    /** No device is. */
    | "offline"
    /** Nobody can say now. */
    | "unknown";

/** What is asked. */
export type Question =
    /** Which devices the user has. */
    | { devices: object }
    /**
     * A device of the user's is to be forgotten, and its connection to end. Answered with `done`, also where there is
     * no such device.
     */
    | { device_remove: {
        /** Which. */
        device: DeviceName;
    } }
    /** Whether people are connected, and when those who are not last were. */
    | { presence: {
        /** Their addresses, as the client wrote them, 200 at most: a bad one is answered with `refused`. */
        users: string[];
    } }
    /**
     * These people are to be watched from now on, instead of those before: `presence` frames say how they are, at once
     * and whenever that changes, until the connection ends. Answered with `done`.
     */
    | { watch: {
        /** Their addresses, as in `presence`; none where nobody is to be watched any more. */
        users: string[];
    } }
    /**
     * Everything of the user is to be erased, and all of the user's connections to end. Answered with `done` once it is
     * stored that this is to be done.
     */
    | { erase: {
        /** The user's own name, so that nobody asks by mistake. */
        confirm: string;
    } }
    /** Which conversations the user has, with people and in groups, the one with the latest message first. */
    | { conversations: {
        /** How many at most; a page has no more than 50. */
        limit: number;
        /** Those behind this place: `next` of the page before. Left out: from the first one on. */
        after?: Seq | null;
    } }
    /** The messages of a conversation, the latest first. */
    | { history: {
        /** The other side: a person, or a group. */
        with: Address;
        /** How many at most; a page has no more than 100. */
        limit: number;
        /**
         * Those below this `seq` of the mailbox, or of the group's log: `next` of the page before. Left out: from the
         * latest one on.
         */
        before?: Seq | null;
    } }
    /**
     * Somebody is to reach the user no more: what they send is refused, their signals are not seen, and they see
     * `offline`. Answered with `done`, also where they are blocked already.
     */
    | { block: {
        /** Whom: a person's address. */
        user: Address;
    } }
    /** Somebody is no longer blocked. Answered with `done`, also where they were not. */
    | { unblock: {
        /** Whom: a person's address. */
        user: Address;
    } }
    /** Whom the user has blocked. */
    | { blocks: object }
    /** The user's settings are to be changed: what is left out stays as it is. Answered with `done`. */
    | { set: {
        /** Who may write to the user. */
        who_may_write?: Audience | null;
        /** Who sees whether the user is there, and when they were last. */
        who_sees_presence?: Audience | null;
    } }
    /** The user's settings. */
    | { settings: object }
    /**
     * When something that the user sent was stored, delivered and read; of what went to a group, to how many members it
     * came.
     */
    | { receipts: {
        /** The address that it was sent to. */
        to: Address;
        /** Its order, as `accepted` told it. */
        order: Seq;
    } }
    /**
     * A device of the user's is called something. Answered with `done`, and refused with `not_found` where there is no
     * such device.
     */
    | { device_name: {
        /** Which. */
        device: DeviceName;
        /** What it is called from now on; left out: nothing. */
        title?: Title | null;
    } }
    /**
     * A group is to be made, with the user as its owner. Answered with `group`, or with `without` where others do not
     * let the user add them.
     */
    | { group_create: {
        /** The id of this command: a repeat is done once, and gets the first answer. */
        id: MessageId;
        /** Its address. */
        group: GroupAddress;
        /** Its other members: people's addresses, 256 at most. */
        members?: Address[];
        /** What it decides about itself: what is left out is as it is where nobody says anything. */
        settings?: GroupSettingsChange | null;
        /** What it is called. */
        title?: Title | null;
    } }
    /**
     * People are to become members. Those who are members stay what they are. Answered with `done`, or with `without`
     * where some do not let the user add them; refused with `refused` where nobody does.
     */
    | { group_add: {
        /** The id of this command. */
        id: MessageId;
        /** The group. */
        group: GroupAddress;
        /** Whom: people's addresses, 256 at most. */
        users: Address[];
    } }
    /** People are to be members no longer. Answered with `done`, also where they were not. */
    | { group_remove: {
        /** The id of this command. */
        id: MessageId;
        /** The group. */
        group: GroupAddress;
        /** Whom: people's addresses, 256 at most. */
        users: Address[];
    } }
    /** The user leaves. Where that is the last owner, somebody else becomes one. Answered with `done`. */
    | { group_leave: {
        /** The id of this command. */
        id: MessageId;
        /** The group. */
        group: GroupAddress;
    } }
    /** A member is to be something else. Answered with `done`. */
    | { group_role: {
        /** The id of this command. */
        id: MessageId;
        /** The group. */
        group: GroupAddress;
        /** Who. */
        user: Address;
        /** What. */
        role: GroupRole;
    } }
    /**
     * A group is to be called something else, or to decide something else about itself: what is left out stays as it
     * is. Answered with `done`.
     */
    | { group_set: {
        /** The id of this command. */
        id: MessageId;
        /** The group. */
        group: GroupAddress;
        /** What it decides about itself. */
        settings?: GroupSettingsChange | null;
        /** What it is called. */
        title?: Title | null;
    } }
    /** A group is to be no more. Nothing is read of it from then on but that. Answered with `done`. */
    | { group_delete: {
        /** The id of this command. */
        id: MessageId;
        /** The group. */
        group: GroupAddress;
    } }
    /** What a group is, and what the user is in it. */
    | { group_info: {
        /** The group. */
        group: GroupAddress;
    } }
    /** Who is in a group. Answered with `members`. */
    | { group_members: {
        /** The group. */
        group: GroupAddress;
        /** How many at most; a page has no more than 100. */
        limit: number;
        /** Those behind this place: `next` of the page before. Left out: from the first one on. */
        after?: Seq | null;
    } }
    /** Which groups the user is in. */
    | { groups: {
        /** How many at most; a page has no more than 100. */
        limit: number;
        /** Those behind this place: `next` of the page before. Left out: from the first one on. */
        after?: Seq | null;
    } }
    /**
     * Whoever has a token is to be able to join a group. Answered with `link`. A repeat gets another token, and that of
     * the first answer holds no more.
     */
    | { group_link: {
        /** The id of this command. */
        id: MessageId;
        /** The group. */
        group: GroupAddress;
        /** For how long, in ms: from a second to 30 days. Left out: 7 days. */
        ttl?: Millis | null;
        /** How many may join. Left out: as many as want to. */
        uses?: number | null;
    } }
    /** The user becomes a member of the group that a token names. Answered with `group`. */
    | { group_join: {
        /** The id of this command. */
        id: MessageId;
        /** The token. */
        token: LinkToken;
    } }
    /** Tokens are to hold no more. Answered with `done`, also where they did not. */
    | { group_unlink: {
        /** The id of this command. */
        id: MessageId;
        /** The group. */
        group: GroupAddress;
        /**
         * The token. Left out: all of the group's where the user is an admin or an owner, otherwise all that the user
         * has made.
         */
        token?: LinkToken | null;
    } }
    /** To which members of a group something came that the user sent. Answered with `receipts_of`. */
    | { receipts_of: {
        /** The group that it was sent to. */
        to: GroupAddress;
        /** Its order, as `accepted` told it. */
        order: Seq;
        /** How many at most; a page has no more than 100. */
        limit: number;
        /** Those behind this member: `next` of the page before. Left out: from the first one on. */
        after?: Address | null;
    } }
    /** A file is to be uploaded. Answered with `upload`: what is to be put where. */
    | { upload: {
        /** Its bytes. */
        size: number;
        /** What it is. */
        type: MediaType;
        /** The hash of its bytes. */
        sha256: Sha256;
        /**
         * An upload of the user's of the same file that is to go on: only what it lacks is to be put. Left out: a new
         * one.
         */
        media?: MediaId | null;
    } }
    /** A file was uploaded. Answered with `media` once its bytes were looked at. */
    | { upload_done: {
        /** The upload. */
        media: MediaId;
        /** Where `upload` had a `challenge`: the SHA-256 of its bytes, followed by the file's. */
        proof?: Sha256 | null;
    } }
    /**
     * A file is to be had: one that the user has uploaded, or that a message refers to which the user may read.
     * Answered with `download`.
     */
    | { download: {
        /** Which. */
        media: MediaId;
        /** What it is to be called where it is saved. Left out: as it is called here. */
        name?: FileName | null;
        /** Whether the small picture of it is wanted. Left out: no. */
        thumbnail?: boolean | null;
    } };

/** Whether something came to a member of a group. */
export interface ReachedItem {
    /** Who. */
    user: OpenAddress;
    /** Whether a device of theirs has it. */
    delivered: boolean;
    /** Whether they have read it. */
    read: boolean;
}

/** A reaction that stands. */
export interface ReactionItem {
    /** Whose it is. */
    from: OpenAddress;
    /** The emoji. */
    emoji: string;
    /** When it was accepted. */
    time: Millis;
}

/** The user has read a conversation. It is answered with `marked` once that is stored. */
export type ReadFrame = { read: {
    /** With whom, as the client wrote it: a bad address is answered with `refused`. */
    with: string;
    /** Up to this order of what the other one sent; beyond the last one it means the last. */
    upto: Seq;
} };

/** How far what the user sent to an address has come. Marks: they only rise. */
export type ReceiptFrame = { receipt: {
    /** The address that was sent to. */
    to: OpenAddress;
    /** When the marks came so far. */
    time: Millis;
    /** Who has it, or has read it; `null` of a group. */
    by?: OpenAddress | null;
    /** Of a person, everything up to this order was delivered; of a group, to how many members. */
    delivered?: number | null;
    /**
     * Of a person, orders below the marks that no device of theirs is known to have: neither delivered nor read. In
     * rising order.
     */
    missing?: Spans;
    /** Of a group, how many members there are beside the sender. */
    of?: number | null;
    /** Of a group, of which message; `null` of a person. */
    order?: Seq | null;
    /** Of a person, everything up to this order was read; of a group, by how many members. */
    read?: number | null;
    /**
     * Of a person, when the life of their log began that gave the orders: of what was accepted before, only what was
     * accepted anew since is meant. `null` of a group.
     */
    since?: Millis | null;
} };

/** A frame is refused, a question among others. */
export type RefusedFrame = { refused: {
    /** Why. */
    code: OpenCode;
    /** The same in words. */
    message: string;
    /** The question's number, where the frame was one. */
    ref?: number | null;
    /** When to try again, in milliseconds; `null` where that can't help. */
    retry_after?: Millis | null;
} };

export type RegionName = string;

/** A send is refused, or its outcome is unknown. */
export type RejectedFrame = { rejected: {
    /** The send's id, as it came: it may be none. */
    id: string;
    /** Why. */
    code: OpenCode;
    /** The same in words. */
    message: string;
    /** When to try again, in milliseconds; `null` where that can't help. */
    retry_after?: Millis | null;
} };

/** Something to send. */
export interface Send {
    /** The id, made by the sender: a repeat with the same id is stored once. */
    id: MessageId;
    /** The address to send to, as the client wrote it: a bad one is answered with the id. */
    to: string;
    /** What is sent. */
    content: Content;
}

/** Something to send. */
export type SendFrame = { send: Send };

/**
 * A sequence in a shard's stream. 0 stands before the first entry. Below 2^53, so that JSON readers keep it exact; what
 * is read from outside is refused above it.
 */
export type Seq = number;

/** Something that somebody does just now. */
export type ServerSignalFrame = { signal: {
    /** Who. */
    from: OpenAddress;
    /** What. */
    kind: string;
} };

/** A group was made, changed or deleted. */
export interface Settings {
    /** The group. */
    group: GroupAddress;
    /** What became of it. */
    change: OpenGroupChange;
    /** What it has decided about itself from here on. */
    settings: GroupSettings;
    /** Where it was made, its members beside its owner: [`limits::GROUP_USERS`] at most. */
    users: Address[];
    /** Who did it: the owner, where it was made. */
    by: Address;
    /** What it is called from here on. */
    title?: Title | null;
}

export type Sha256 = string;

/** Something that the user does just now. It is never stored, and may be lost. */
export type SignalFrame = { signal: {
    /** The address to tell, a person's or a group's, as the client wrote it: a bad one is answered with `refused`. */
    to: string;
    /**
     * What, as applications agree on it: `typing`. A name of 1 to 64 of `A-Z a-z 0-9 _ -`; another one is answered with
     * `refused`.
     */
    kind: string;
} };

/** The sequences above one, up to the other. */
export interface Span {
    /** Not this one. */
    above: Seq;
    /** This one too. */
    upto: Seq;
}

/**
 * A set of sequences: spans in rising order that do not meet. From outside it is taken as it comes, and need not be so.
 */
export type Spans = Span[];

export type StartAt = "beginning" | "live" | Cursor;

export type Title = string;

/** A part of a file that is to be uploaded. */
export interface UploadPart {
    /** Where to. One without a host is of the gateway that says so, or of any other of the region. */
    url: string;
    /** How: `PUT`. */
    method: string;
    /** What is to stand in the request. */
    headers: Record<string, string>;
    /** Where in the file the part begins. */
    from: number;
    /** Its bytes. */
    size: number;
}

export type UserName = string;

/** The answer to `hello`. */
export type WelcomeFrame = { welcome: {
    /** Who the token says is there. */
    user: UserName;
    /** Which device. */
    device: DeviceName;
    /** The user's region. */
    region: RegionName;
    /** The gateway's clock. */
    server_time: Millis;
    /** What a client must keep to. */
    limits: Limits;
} };

/** Which members may do something. */
export type WhoMay =
    /** Every member. */
    | "members"
    /** Admins and owners. */
    | "admins";
