/** What an application holds: a client, from `connect` to its end. */

/** @import { EntryFrame, Question, ReceiptFrame } from "./core/words.js" */
/** @import { Attachment } from "./frames.js" */
/** @import { Summary } from "./conversation/message.js" */
/** @import { Status, Told } from "./host.js" */
/** @import { Readable } from "./readable.js" */
/** @import { MakeSocket } from "./socket.js" */
/** @import { Store } from "./store/memory.js" */
/** @import { TokenRequest } from "./token.js" */

import { createConversations } from "./conversation/conversations.js";
import { seenFrom } from "./core/address.js";
import { under } from "./core/bounds.js";
import { DunlinError, must } from "./errors.js";
import { later } from "./later.js";
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
 * @property {{ from: string, signal: string, group?: string }} signal
 * @property {{}} reset The token's user is another than before: everything that was kept of that one is deleted, unsent messages as well.
 * @property {{ why: Error, inMemory: boolean }} storage Something could not be kept; `inMemory`: nothing can be from now on, and the client
 *   goes on with what it has.
 * @property {DunlinError} error Something was refused that nobody waits for; or there was no token or socket (`connection`),
 *   or no module of the library (`notLoaded`)
 */

/** @typedef {{ state: string, lastSeen: number | null }} Presence */
/** @typedef {ReturnType<typeof connect>} Client */

/** What has to do with files. */
const files = later(() => import("./files.js"));

/**
 * Begins, and returns at once: what is sent before there is a connection waits for one. Throws where the options can't be used.
 *
 * @param {ConnectOptions} options
 */
export function connect({ url, getToken, account = "default", store, tabs = "share", socket, ...options }) {
    must(typeof getToken === "function", "getToken is no function");
    /** @type {Map<string, Set<(what: any) => void>>} */
    const listeners = new Map();
    /** How those are who are watched. @type {Map<string, Presence>} */
    const presences = new Map();
    /** Whom somebody looks at. @type {Map<Source<any>, string[]>} */
    const watches = new Map();

    const addresses = gateways(url);
    const tab = createTab(
        {
            ...options,
            gateways: addresses,
            tokens: createTokens(getToken),
            socket: socket ?? ((url, protocols) => /** @type {any} */ (new WebSocket(url, protocols))),
            account,
            store: store ?? (globalThis.indexedDB ? "indexeddb" : "memory"),
            tabs,
        },
        tell,
    );
    const { host } = tab;
    const way = { ask: host.ask, gateways: addresses };
    /** @param {"upload" | "download"} what */
    const file = what => async (/** @type {[any, any?]} */ ...how) => /** @type {any} */ ((await files())[what](way, ...how));
    const conversations = createConversations(host, error => emit("error", error));
    const status = new Source(tab.status);

    /** @param {Told} told */
    function tell(told) {
        conversations.tell(told);
        const { kind, user, entry, receipt } = /** @type {any} */ (told);
        if (kind === "status") status.changed();
        if (kind === "presence" || kind === "disconnected") {
            if (user) presences.set(user, /** @type {any} */ (told));
            else presences.clear();
            watches.forEach((_, source) => source.changed());
        }
        if (kind === "refused") emit("error", new DunlinError(/** @type {any} */ (told)));
        else emit(kind, entry ?? receipt ?? told);
    }

    /**
     * @param {string} event
     * @param {any} what
     */
    function emit(event, what) {
        for (const listener of listeners.get(event) ?? []) {
            try {
                listener(what);
            } catch (error) {
                // A mistake of the application's is reported as any other, and stops nothing.
                (globalThis.reportError ?? console.error)(error);
            }
        }
    }

    const watch = () => tab.watch([...new Set([...watches.values()].flat())]);

    return {
        /** How the client stands. @type {Readable<Status>} */
        status,

        /** The user's conversations, the one with the latest message first. @type {Readable<readonly Summary[]>} */
        conversations: conversations.list,

        /**
         * The conversation with a person: the same object for the same address.
         *
         * @param {string} address
         */
        conversation: address => conversations.get(checkAddress(address)),

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
                    /** @type {Map<string, Presence>} */
                    const found = new Map();
                    for (const user of users) {
                        const presence = presences.get(seenFrom(user, host.region));
                        if (presence) found.set(user, presence);
                    }
                    return found;
                },
                () => {
                    watches.set(source, users);
                    watch();
                    return () => {
                        watches.delete(source);
                        watch();
                    };
                },
            );
            return source;
        },

        /**
         * Asks a question of the protocol: `{ devices: {} }` is answered with `{ devices: { items } }`. Waits 10 s at most, also for a
         * connection. Rejects with a DunlinError.
         *
         * @param {Question} what
         * @returns {Promise<any>}
         */
        async ask(what) {
            const answer = await host.ask(what);
            if (what.block || what.unblock) void conversations.askBlocks();
            return answer;
        },

        /** Has entries be processed one by one, as `dunlin/bots.js` does: a cursor waits for that. */
        consume: tab.consume,

        /**
         * Uploads a file, and gives what a message carries among its `attachments`. Rejects with a DunlinError, or with the signal's reason.
         *
         * @type {(
         *     blob: Blob, options?: { name?: string, onProgress?: (share: number) => void, signal?: AbortSignal },
         * ) => Promise<Attachment>}
         */
        upload: file("upload"),

        /**
         * The address of a file, or of the small picture of it, for some minutes. Rejects with a DunlinError.
         *
         * @type {(file: string | Attachment, options?: { thumbnail?: boolean }) => Promise<string>}
         */
        download: file("download"),

        /**
         * Calls `listener` whenever this happens, until the result is called.
         *
         * @template {keyof Events} E
         * @param {E} event
         * @param {(what: Events[E]) => void} listener
         * @returns {() => void}
         */
        on(event, listener) {
            const all = under(listeners, event, () => new Set());
            const own = (/** @type {Events[E]} */ what) => listener(what);
            all.add(own);
            return () => void all.delete(own);
        },

        /** Ends this client when everything that waits for the socket is written. What is unsent stays in the store, for the next one. */
        close: tab.close,

        /** Ends the clients of this account in all tabs, and deletes everything that they kept, also what is unsent. */
        signOut: tab.signOut,
    };
}
