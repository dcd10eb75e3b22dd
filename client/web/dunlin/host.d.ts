// What a conversation has of its client, and what it is told. A conversation keeps nothing itself: it folds what it is told, and asks.

import type { Answer, AskError, Content, Ended, EntryFrame as Entry, Lost, Question, ReceiptFrame, Stored } from "./core/words.js";

/** What a conversation may ask of its client. */
export interface Host {
    /** Who this is: what the store remembers, or the gateway's welcome; before the first of both, undefined. */
    readonly user: string | undefined;
    /** The user's own region, which gateways leave out of addresses; known as the user is. */
    readonly region: string | undefined;
    /** Hands something over to be sent. It is kept, and sent and repeated until it is answered; "draft" tells of it before this returns. */
    submit(to: string, content: Content): Draft;
    /** Sends what failed once more, under the same id where that can help. */
    retry(key: string): void;
    /** Forgets what failed. */
    discard(key: string): void;
    read(peer: string, upto: number): void;
    signal(to: string, kind: string): void;
    /** Asks; rejects with a DunlinError. */
    ask(what: Question): Promise<any>;
    /** With whom entries are kept. */
    peers(): Promise<Iterable<string>>;
    /**
     * What is kept of a conversation, oldest first: entries, and what was sent from here. The latest `limit`. Never rejects: where a store
     * can't be read it is what this page has.
     */
    kept(peer: string, limit: number): Promise<Kept>;
}

export interface Kept {
    entries: Entry[];
    /** Unsent and failed ones, in their order. */
    drafts: Draft[];
    /** The last receipts of each life of the peer's log, and how far the user has read. */
    receipts: ReceiptFrame[];
    read: number | undefined;
}

/** One record of the outbox. */
export interface Draft {
    /** Names it from its first moment on, in every tab and after a reload. */
    key: string;
    to: string;
    content: Content;
    /** When it was handed over, by this machine's clock. */
    at: number;
    id?: string;
    /** Its outcome is one of the two. */
    accepted?: Stored;
    error?: { code: string; message: string };
}

/** How a client stands. */
export interface Status {
    state: "connecting" | "online" | "offline" | "ended";
    user?: string;
    device?: string;
    region?: string;
    /** By how many ms a gateway's clock was ahead of this machine's, once one has said what time it is. */
    ahead?: number;
    /** Of `offline` and `ended`. */
    why?: Lost | Ended | { kind: "signedOut" };
    /** When the next try is due, by this machine's clock. */
    retryAt?: number;
}

/**
 * What happens, in its order. Each conversation of each tab is told everything, and takes what is its own; a thing may be told more than once.
 */
export type Told =
    | { kind: "entry"; entry: Entry }
    | { kind: "draft"; draft: Draft }
    | { kind: "discarded"; key: string }
    | { kind: "receipt"; receipt: ReceiptFrame }
    | { kind: "marked"; with: string; read: number }
    | { kind: "signal"; from: string; signal: string; group?: string }
    | { kind: "gap"; log: string; from: number; to: number; repeated: number }
    | { kind: "caughtUp"; log: string; seq: number }
    | { kind: "presence"; user: string; state: string; lastSeen: number | null }
    | { kind: "disconnected"; why: Lost; retryIn: number }
    /** Another user is there: nothing of what was told before is theirs. */
    | { kind: "reset" }
    /** The page was put away, or who led before died, and not all that happened was told: what is kept knows. */
    | { kind: "stale" }
    | { kind: "storage"; why: Error; inMemory: boolean }
    | { kind: "status"; status: Status }
    /** A frame of this client's was refused that has no answer of its own, or (`connection`) no token or socket could be had. */
    | { kind: "refused"; code: string; message: string }
    /** Between the tabs: one leads from now on; a question is over. */
    | { kind: "leader"; status: Status }
    | { kind: "answered"; request: unknown; answer?: Answer; error?: AskError };

/** What tabs ask of the engine, in the tab that leads. A thing may be asked more than once. */
export type Command =
    /** `isKept`: the tab has stored it. */
    | { kind: "submit"; draft: Draft; isKept: boolean }
    | { kind: "retry" | "discard"; key: string }
    | { kind: "ask"; request: string; what: Question; within: number }
    | { kind: "read"; with: string; upto: number }
    | { kind: "signal"; to: string; signal: string }
    /** Whom the tab watches. */
    | { kind: "wants"; tab: string; users: string[] }
    | { kind: "wake" | "tick" };
