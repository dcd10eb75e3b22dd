/** What applications have of a conversation. Everything is plain text and plain data: whoever shows it escapes it. */

import type { Attachment, Membership, Settings } from "../frames.js";
import type { Readable } from "../readable.js";

/**
 * How far one of one's own messages is: accepted by no gateway yet, stored, on a device of the peer's, read by them; or refused. In a
 * group it is delivered, or read, once it is so by all.
 */
export type State = "sending" | "sent" | "delivered" | "read" | "failed";

/** How many members of a group have a message, and have read it, of how many beside its sender. */
export interface Receipts {
    delivered: number;
    read: number;
    of: number;
}

/** What became of a group, or of members of it: `change` says what, `users` of whom, and `by` who did it. A newer release may say more. */
export type GroupEvent = Membership | Settings;

/** An emoji, and who reacts with it. */
export interface Reaction {
    emoji: string;
    from: string[];
    mine: boolean;
}

/** What is sent, or takes the place of what was sent. */
export interface Words {
    text?: string | null;
    /** What a program reads. */
    data?: Uint8Array | null;
}

/** A message as it was when it was read. It never changes: what changes is another one, with the same key. */
export interface Snapshot {
    /** Names it for as long as it is there, from its first moment on. */
    readonly key: string;
    /** Its id, which answers name; `null` while it was never sent, and of an `event`. */
    readonly id: string | null;
    readonly from: string;
    readonly mine: boolean;
    /** When it was accepted; before that, when it was handed over. In ms since the Unix epoch. */
    readonly time: number;
    /** Rises with what its sender says to the other one, and with everything in a group, once it is accepted. */
    readonly order: number | null;
    readonly text: string | null;
    readonly data: Uint8Array | null;
    readonly attachments: readonly Attachment[];
    /** The id of the message that it answers. */
    readonly replyTo: string | null;
    /** Members of the group whom it is meant for above others. */
    readonly mentions: readonly string[];
    /** Whether text and data are those of an edit. */
    readonly edited: boolean;
    /** Whether its author took it back, or an admin of the group did: nothing of it is left. */
    readonly deleted: boolean;
    /** Those that stand, in the order in which they were given. */
    readonly reactions: readonly Reaction[];
    /** `null` for what others said, and of an `event`. */
    readonly state: State | null;
    /** Of one's own in a group, once it is known. */
    readonly receipts: Readonly<Receipts> | null;
    /** What became of a group, or of who is in it, in the place of words; `null` of what somebody wrote. */
    readonly event: Readonly<GroupEvent> | null;
    /** Whether a member of the group said it whom the user has blocked: it is not to be shown, and is not unread. */
    readonly folded: boolean;
    readonly error: Failure | null;
}

/** Why a message failed. */
export interface Failure {
    code: string;
    message: string;
    /** Whether the same again may help. */
    retryable: boolean;
}

/** What is done to a message. What is stored of it counts once a gateway has accepted it; the promise rejects where one refuses. */
export interface Deeds {
    /** One's own: other words in the place of all of it. */
    edit(words: string | Words): Promise<void>;
    /** Sets a reaction of one's own, or takes it back. */
    react(emoji: string, on?: boolean): Promise<void>;
    /** One's own, and for an admin of a group everybody's: takes it back. */
    delete(): Promise<void>;
    /** Sends once more what failed. */
    retry(): void;
    /** Forgets what failed. */
    discard(): void;
}

export type Message = Snapshot & Deeds;

/** A row in a list of conversations. */
export interface Summary {
    readonly with: string;
    /** The latest message, or what became of the group last. */
    readonly last: Message | null;
    /** How many messages of others the user has not read. */
    readonly unread: number;
    /** How many of them mention the user. */
    readonly mentions: number;
    /** Up to which order of theirs the user has read. */
    readonly read: number;
    /** What the group is called; `null` of a person. */
    readonly title: string | null;
}

/** What is said by somebody: words alone, or more; `mentions` are members of the group. */
export type Draft = string | (Partial<Words> & { attachments?: readonly Attachment[]; replyTo?: Message | string | null; mentions?: string[] });

/** A conversation with one peer, who may be a group. */
export interface Conversation {
    /** The peer's address: `bob`, or `#team`. */
    readonly with: string;
    /** The messages as they are now, oldest first. */
    readonly messages: Readable<readonly Message[]>;
    /** Whether the peer, or anybody in the group, is typing. */
    readonly typing: Readable<boolean>;
    /** Who is. */
    readonly typists: Readable<readonly string[]>;
    /** Whether nothing can be said any more: the user was removed from the group or left it, or it was deleted. */
    readonly closed: Readable<boolean>;
    /** Sends a message, which is there at once. Throws where what it answers has no id yet: it was never sent. */
    send(draft: Draft): Message;
    /** Brings older messages, at least one where there is any; most is 50 where nothing is said. Whether there may be more. */
    older(most?: number): Promise<boolean>;
    /** The user has read all that is here, or what there is up to a message. */
    markRead(upTo?: Message): void;
    /** The user types: say so with each key. The peer is told every few seconds. */
    keystroke(): void;
}
