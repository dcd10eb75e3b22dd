/** All conversations of one client: each is told what is about it, and those with messages make the list. */

/** @import { Host, Told } from "../host.js" */
/** @import { Conversation, Summary } from "./message.js" */

import { seenFrom } from "../core/address.js";
import { Source } from "../readable.js";
import { peerOf } from "../records.js";
import { createConversation } from "./conversation.js";

/** Conversations that are kept beside those that somebody looks at; and what the list asks for, in pages. */
const KEPT = 1_000;
const PAGES = 20;
const PAGE = 50;

/** @param {Host} host */
export function createConversations(host) {
    /** @type {Map<string, ReturnType<typeof createConversation>>} */
    const all = new Map();
    /** Those that somebody looks at. @type {Set<string>} */
    const open = new Set();
    let isWanted = false;
    let isOnline = false;
    /** Whom the user has blocked: asked for where there is a group, in which they still can be heard. @type {Set<string>} */
    let blocked = new Set();
    let areKnown = false;

    /** @param {string} peer */
    function of(peer) {
        let found = all.get(peer);
        if (!found) {
            const idle = all.size >= KEPT && [...all.keys()].find(peer => !open.has(peer));
            if (idle) all.delete(idle);
            all.set(peer, (found = createConversation(host, peer, () => list.changed(), user => blocked.has(user))));
            if (isOnline && !areKnown) void askBlocks();
        }
        return found;
    }

    /** Without an answer it is asked again over the next connection. */
    async function ask() {
        let after;
        try {
            for (let page = 0; page < PAGES && after !== null; page++) {
                const { conversations } = await host.ask({ conversations: { after, limit: PAGE } });
                for (const item of conversations.items) of(item.with).list(item);
                after = conversations.next ?? null;
            }
        } catch {
            // The list goes on with what is known.
        }
    }

    async function askBlocks() {
        if (![...all.keys()].some(peer => peer[0] === "#")) return;
        areKnown = true;
        try {
            const { blocks } = await host.ask({ blocks: {} });
            blocked = new Set(blocks.users);
            for (const its of all.values()) its.blocked();
        } catch {
            areKnown = false;
        }
    }

    /** Where there is no connection, the list has what is kept. */
    async function remember() {
        for (const peer of await host.peers()) if (!open.has(peer)) void of(peer).load(PAGE);
    }

    /** @type {readonly Summary[]} */
    let rows = [];
    const list = new Source(() => {
        if (!isWanted) void remember();
        if (isOnline && !isWanted) void ask();
        isWanted = true;
        const now = [...all.values()].map(({ summary }) => summary()).filter(({ last, title }) => last || title);
        now.sort((one, other) => (other.last?.time ?? 0) - (one.last?.time ?? 0));
        if (now.length !== rows.length || now.some((row, at) => row !== rows[at])) rows = now;
        return rows;
    });

    return {
        /** Those with messages, the one with the latest first; and groups, if they have none. */
        list,

        /** Looks again whom the user has blocked. */
        askBlocks,

        /** The same object for the same address. @param {string} address @returns {Conversation} */
        get(address) {
            const peer = seenFrom(address, host.region);
            const { conversation, load } = of(peer);
            if (!open.has(peer)) void load();
            open.add(peer);
            return conversation;
        },

        /** Takes everything that happens, in its order. @param {Told} told */
        tell(told) {
            const { kind, entry, draft, receipt, with: peer, from, group, status } = /** @type {any} */ (told);
            // Before it is known who this is, each conversation takes what is its own.
            const ofEntry = entry && host.user && peerOf(entry, host.user);
            const about = ofEntry ?? draft?.to ?? receipt?.by ?? receipt?.to ?? peer ?? (kind === "signal" && (group ?? from));
            if (about) return of(about).tell(told);
            for (const { tell } of all.values()) tell(told);
            if (!status) return;
            const before = isOnline;
            isOnline = status.state === "online";
            if (!isOnline || before) return;
            if (isWanted) void ask();
            void askBlocks();
        },
    };
}
