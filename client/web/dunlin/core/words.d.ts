/** What the core is told and what it says: its inputs, its outputs, and what the application hears of them. Times are in ms. */

import type { Answer, ClientFrame, Code, Content, EntryFrame, Goodbye, Question, ReceiptFrame } from "./types.js";

export type { Answer, ClientFrame, Code, Content, EntryFrame, Goodbye, Question, ReceiptFrame };

/** One moment, read from two clocks. */
export interface Now {
    /** A clock that never goes back, near the Unix time. It may stand still while the machine sleeps. */
    steady: number;
    /** The machine's Unix time, which may be wrong and may be set. */
    wall: number;
}

/** What the core is told at its birth. */
export interface Setup {
    /** How many gateways there are, at least 1. */
    gateways: number;
    device: string | null;
    /** The cursors that were kept, by log. */
    cursors: Record<string, string>;
    /** Where the mailbox begins while no cursor of it was kept. */
    start: "live" | "beginning" | null;
    backoffFirst: number;
    backoffMost: number;
    connectWithin: number;
    inFlightPerAddress: number;
    /** From 0 up to 1. */
    random: () => number;
    /** What was accepted before, and not forgotten since: the core repeats it after a gap. */
    history?: Accepted[];
}

/** Something that was accepted, as it is kept for repeats. */
export interface Accepted {
    id: string;
    to: string;
    content: Content;
    /** Without one no receipt is ever about it. */
    order?: number | null;
    /** When a gateway took it, by its clock. */
    taken: number;
    /** When it was stored, by that of the last answer. */
    stored: number;
}

/** Names a send, or a question, between the core and whoever waits for its outcome: anything but `null`. */
export type Request = unknown;

/** One client: see `core.js`. */
export interface Core {
    /** Takes an input and says what to do. */
    handle(now: Now, input: Input): Output[];
    /** When to call again with a tick, if nothing happens before; `null` once the client is over. */
    readonly nextDeadline: number | null;
}

/** What happens to a client. */
export type Input =
    /** Something to send; under the id that it was given before, if it was. Each id once. */
    | { kind: "submit"; request: Request; to: string; content: Content; id?: string | null }
    /** Something to ask, which is over at this time of the steady clock. */
    | { kind: "ask"; request: Request; what: Question; until: number }
    /** Something to tell just now, or never. */
    | { kind: "signal"; to: string; signal: string }
    /** The user has read a conversation. */
    | { kind: "read"; with: string; upto: number }
    /** The dial that was asked for has a socket and a token. */
    | { kind: "opened"; token: string }
    /** A message came, as JSON that was read; anything else where it is none. */
    | { kind: "frame"; frame: unknown }
    /** The dial failed or the socket ended. */
    | { kind: "lost"; why: Lost }
    /** Whether there is room for events. */
    | { kind: "room"; room: boolean }
    /** The application has stored what came up to here, by log. */
    | { kind: "done"; done: Record<string, Acknowledged> }
    /** The page is shown again, the machine is awake, or there is a network again. */
    | { kind: "wake" }
    /** The application has had enough. */
    | { kind: "close" }
    /** Time has passed. */
    | { kind: "tick" };

/** What is to be done. */
export type Output =
    /** Get a token (a fresh one after `refused`) and a socket. `serverTime` is the gateway's time, as far as it is known. */
    | { kind: "dial"; gateway: number; refused: Refusal | null; serverTime: number | null }
    /** Write to the socket. */
    | { kind: "write"; frame: ClientFrame }
    /** Let go of the socket, or of the dial. */
    | { kind: "hangUp" }
    /** Tell the application. */
    | Notification
    /** A repeat, or something of a log of a newer release, was not given, but its cursor is newer than the last one that was. */
    | { kind: "skip"; place: Progress }
    /** A send has its id from now on. */
    | { kind: "named"; request: Request; id: string }
    /** A send has its outcome: one of the two. */
    | { kind: "settle"; request: Request; accepted?: Stored; error?: SendError }
    /** A question has its answer, or has none. `request` is `null` where the core has asked itself. */
    | { kind: "answered"; request: Request | null; answer?: Answer; error?: AskError }
    /** Something that was accepted is not to be repeated any more. */
    | { kind: "forget"; id: string };

/** What the application is told. */
export type Notification =
    | { kind: "connected"; gateway: number; user: string; device: string; region: string }
    | { kind: "entry"; entry: EntryFrame; place: Progress }
    | { kind: "gap"; log: string; from: number; to: number; place: Progress }
    | { kind: "caughtUp"; log: string; seq: number; place: Progress }
    | { kind: "refused"; code: string; message: string }
    | { kind: "signal"; from: string; signal: string; group?: string }
    | { kind: "presence"; user: string; state: string; lastSeen: number | null }
    | { kind: "receipt"; receipt: ReceiptFrame }
    | { kind: "marked"; with: string; read: number }
    | { kind: "disconnected"; why: Lost; retryIn: number }
    | { kind: "ended"; why: Ended };

/** How far the application is in a log once it is done with what it was given. */
export interface Progress {
    log: string;
    /** How many gaps of the log came before it: only between the same two gaps are sequences comparable. */
    gaps: number;
    /** Its sequence; 0 is not known. */
    seq: number;
    /** The cursor that came with it. */
    cursor: string;
}

/** What is to be acknowledged of a log: everything up to a sequence, between two of its gaps. */
export interface Acknowledged {
    gaps: number;
    seq: number;
}

/** How a gateway has said that a token is over. */
export interface Refusal {
    code: string;
}

/** A message that is stored. */
export interface Stored {
    id: string;
    /** Rises with each message of this sender to this address. */
    order?: number | null;
    time: number;
}

/** Why there is no connection. */
export type Lost =
    | { kind: "goodbye"; goodbye: Goodbye }
    | { kind: "closed"; code: number | null; reason: string }
    | { kind: "socket" }
    | { kind: "silent" }
    | { kind: "slept" }
    /** No token could be had: not now, or never more. */
    | { kind: "token"; failed?: string; noMore?: boolean }
    | { kind: "badFrame" }
    | { kind: "fellBehind" };

/** Why a client is over for good. */
export type Ended = { kind: "goodbye"; goodbye: Goodbye } | { kind: "noToken" } | { kind: "closed" };

/** Why something was not accepted. */
export type SendError = { kind: "rejected"; code: string; message: string } | { kind: "ended"; why: Ended };

/** Why a question has no answer. */
export type AskError =
    | { kind: "refused"; code: string; message: string; retryAfter: number | null }
    | { kind: "disconnected" }
    | { kind: "timedOut" }
    | { kind: "ended"; why: Ended };
