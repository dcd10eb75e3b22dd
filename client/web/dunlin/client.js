/** What an application holds: a client, from `connect` to its end. */

/** @import { Question } from "./core/words.js" */
/** @import { EntryFrame, ReceiptFrame } from "./core/words.js" */
/** @import { Summary } from "./conversation/message.js" */
/** @import { Status, Told } from "./host.js" */
/** @import { Readable } from "./readable.js" */
/** @import { MakeSocket } from "./socket.js" */
/** @import { Store } from "./store/memory.js" */
/** @import { TokenRequest } from "./token.js" */

import { Conversations } from "./conversation/conversations.js";
import { isName, seenFrom } from "./core/address.js";
import { DunlinError } from "./errors.js";
import { Source } from "./readable.js";
import { checkAddress } from "./records.js";
import { gateways } from "./socket.js";
import { createTab } from "./tab.js";
import { createTokens } from "./token.js";

/**
 * @typedef {object} ConnectOptions
 * @property {string | string[]} url of the gateway, or of several, which are taken in turn: http(s) or ws(s), with or without a path
 * @property {(why: TokenRequest) => Promise<string> | string} getToken Asked for a token before the first connection, before one runs out
 *   and after a refusal. Throwing `SignedOut` ends the client; other errors are tried again.
 * @property {string} [account] whose store it is in this browser; default "default"
 * @property {string} [device] default: one that is made at random and kept in the store
 * @property {"indexeddb" | "memory" | Store} [store] default: the browser's database, and memory where there is none
 * @property {"share" | "alone"} [tabs] whether the tabs of an account are one device with one connection (default), or each one of its own
 * @property {"live" | "beginning"} [start] where a device begins that never was here; default: at the beginning
 * @property {{ first?: number, most?: number }} [backoff] the longest first pause between two connections, and the longest of all, in ms
 * @property {MakeSocket} [socket] default: a WebSocket
 */

/**
 * What a client tells of, and with what.
 *
 * @typedef {object} Events
 * @property {{ log: string, from: number, to: number, repeated: number }} gap Messages between these times may be missing: they are no
 *   longer kept, or nobody can prove that there are none. The library repeats what this user has sent and is not known to be delivered.
 * @property {EntryFrame} entry
 * @property {ReceiptFrame} receipt
 * @property {{ with: string, read: number }} marked
 * @property {{ from: string, signal: string }} signal
 * @property {{ direction: "in" | "out", frame: any }} frame
 * @property {{ why: Error, inMemory: boolean }} storage Something could not be kept; `inMemory`: nothing can be from now on, and the client
 *   goes on with what it has.
 * @property {DunlinError} error Something was refused that nobody waits for; or, with the code `connection`, there was no token or socket.
 */

/** @typedef {{ state: string, lastSeen: number | null }} Presence */

/**
 * Begins, and returns at once: what is sent before there is a connection waits for one. Throws where the options can't be used.
 *
 * @param {ConnectOptions} options
 */
export const connect = options => new Client(options);

/** See `connect`. */
export class Client {
    #tab;
    #list;
    /** @type {Map<string, Set<(what: any) => void>>} */
    #listeners = new Map();
    /** How those are who are watched, and by how many. @type {Map<string, Presence>} */
    #presences = new Map();
    /** @type {Map<Source<any>, string[]>} */
    #watches = new Map();
    #status = new Source(() => this.#tab.status());

    /** How the client stands. @type {Readable<Status>} */
    status = this.#status;
    /** The user's conversations, the one with the latest message first. @type {Readable<readonly Summary[]>} */
    conversations;

    /** @param {ConnectOptions} options */
    constructor(options) {
        const { url, getToken, account = "default", device, start, backoff } = options;
        const { store = globalThis.indexedDB ? "indexeddb" : "memory", tabs = "share" } = options;
        if (typeof getToken !== "function") throw new TypeError("connect needs getToken, a function that gives a token");
        if (typeof account !== "string" || !account) throw new TypeError("account has to be a text");
        if (device !== undefined && !isName(device)) throw new TypeError("device has to be 1 to 64 of A-Z a-z 0-9 _ -");
        if (store !== "indexeddb" && store !== "memory" && typeof store !== "object") {
            throw new TypeError('store has to be "indexeddb", "memory" or a store of your own');
        }
        if (tabs !== "share" && tabs !== "alone") throw new TypeError('tabs has to be "share" or "alone"');
        if (!options.socket && !globalThis.WebSocket) throw new TypeError("there is no WebSocket here: give connect a `socket`");
        /** @type {MakeSocket} */
        const socket = options.socket ?? ((url, protocols) => /** @type {any} */ (new WebSocket(url, protocols)));
        this.#tab = createTab(
            { gateways: gateways(url), tokens: createTokens(getToken), socket, account, store, tabs, device, start, backoff },
            told => this.#told(told),
        );
        this.#list = new Conversations(this.#tab.host);
        this.conversations = this.#list.list;
    }

    /**
     * The conversation with a person: the same object for the same address.
     *
     * @param {string} address
     */
    conversation(address) {
        return this.#list.get(checkAddress(address));
    }

    /**
     * How people are, by their address, while somebody subscribes: up to 200 in all tabs together. Who is missing, nobody can say of now.
     *
     * @param {string[]} users
     * @returns {Readable<ReadonlyMap<string, Presence>>}
     */
    presence(users) {
        users.forEach(checkAddress);
        /** @type {Source<ReadonlyMap<string, Presence>>} */
        const source = new Source(
            () => {
                const region = this.#tab.host.region ?? null;
                /** @type {Map<string, Presence>} */
                const found = new Map();
                for (const user of users) {
                    const presence = this.#presences.get(seenFrom(user, region));
                    if (presence) found.set(user, presence);
                }
                return /** @type {ReadonlyMap<string, Presence>} */ (found);
            },
            () => {
                this.#watches.set(source, users);
                this.#watch();
                return () => {
                    this.#watches.delete(source);
                    this.#watch();
                };
            },
        );
        return source;
    }

    #watch() {
        this.#tab.want({ users: [...new Set([...this.#watches.values()].flat())] });
    }

    /**
     * Asks a question of the protocol: `{ devices: {} }` is answered with `{ devices: { items } }`. Waits 10 s at most, also for a
     * connection. Rejects with a DunlinError.
     *
     * @param {Question} question
     * @returns {Promise<any>}
     */
    ask(question) {
        return this.#tab.host.ask(question);
    }

    /**
     * Everything that comes, for programs: each entry counts as processed, and is acknowledged, when the next one is asked for. One that
     * was not comes again, to the next process at the latest.
     *
     * @returns {AsyncGenerator<EntryFrame, void, void>}
     */
    entries() {
        /** @type {{ entry: EntryFrame | undefined, done: () => void }[]} */
        const waiting = [];
        let wake = () => {};
        this.#tab.consume({
            take: (entry, done) => {
                waiting.push({ entry, done });
                wake();
            },
            waiting: () => waiting.length,
        });
        const isOver = () => this.#tab.status().state === "ended";
        const stop = this.#status.subscribe(() => wake());
        return (async function* () {
            try {
                while (waiting.length || !isOver()) {
                    const next = waiting[0];
                    if (!next) {
                        await new Promise(resolve => (wake = () => resolve(undefined)));
                        continue;
                    }
                    if (next.entry) yield next.entry;
                    waiting.shift();
                    next.done();
                }
            } finally {
                stop();
            }
        })();
    }

    /**
     * Media are not there yet.
     *
     * @param {Blob} blob
     * @param {{ onProgress?: (share: number) => void, signal?: AbortSignal }} [options]
     * @returns {Promise<never>}
     */
    async upload(blob, options) {
        throw new DunlinError("unsupported", "this release stores no media");
    }

    /**
     * Calls `listener` whenever this happens, until the result is called.
     *
     * @template {keyof Events} E
     * @param {E} event
     * @param {(what: Events[E]) => void} listener
     * @returns {() => void}
     */
    on(event, listener) {
        const listeners = this.#listeners.get(event) ?? new Set();
        const own = (/** @type {Events[E]} */ what) => listener(what);
        this.#listeners.set(event, listeners.add(own));
        if (event === "frame") this.#tab.want({ frames: true });
        return () => {
            listeners.delete(own);
            if (event === "frame" && !listeners.size) this.#tab.want({ frames: false });
        };
    }

    /** Ends this client when everything that waits for the socket is written. What is unsent stays in the store, for the next one. */
    close() {
        return this.#tab.close();
    }

    /** Ends the clients of this account in all tabs, and deletes everything that they kept, also what is unsent. */
    signOut() {
        return this.#tab.signOut();
    }

    /** @param {Told} told */
    #told(told) {
        // While the tab is made nothing else is there.
        this.#list?.tell(told);
        const { kind } = told;
        switch (kind) {
            case "status":
                return this.#status.changed();
            case "presence":
            case "disconnected":
                if (kind === "presence") this.#presences.set(told.user, told);
                else this.#presences.clear();
                return this.#watches.forEach((_, source) => source.changed());
            case "refused":
                return this.#emit("error", new DunlinError(told.code, told.message));
            case "entry":
                return this.#emit(kind, told.entry);
            case "receipt":
                return this.#emit(kind, told.receipt);
            case "gap":
            case "marked":
            case "signal":
            case "frame":
            case "storage":
                return this.#emit(kind, told);
        }
    }

    /**
     * @template {keyof Events} E
     * @param {E} event
     * @param {Events[E]} what
     */
    #emit(event, what) {
        for (const listener of this.#listeners.get(event) ?? []) guard(() => listener(what));
    }
}

/**
 * Calls what an application brought: a mistake in it is reported as any other, and stops nothing.
 *
 * @param {() => void} act
 */
function guard(act) {
    try {
        act();
    } catch (error) {
        (globalThis.reportError ?? console.error)(error);
    }
}
