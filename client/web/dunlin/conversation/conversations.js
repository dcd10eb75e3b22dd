/** All conversations of one client: each is told what is about it, and those with messages make the list. */

/** @import { Host, Told } from "../host.js" */
/** @import { Own } from "./conversation.js" */
/** @import { Conversation, Summary } from "./message.js" */
/** @import { List } from "./pages.js" */

import { seenFrom } from "../core/address.js";
import { Source } from "../readable.js";
import { peerOf } from "../records.js";
import { createConversation, pages } from "./conversation.js";

/** Conversations that are kept beside those that somebody looks at. */
const KEPT = 1_000;

/**
 * @param {Host} host
 * @param {(why: any) => void} [failed] some of the library could not be loaded
 */
export function createConversations(host, failed = () => {}) {
    /** @type {Map<string, Own>} */
    const all = new Map();
    /** The list, once it is loaded, and what it has shown last. @type {List | undefined} */
    let shown;
    /** @type {readonly Summary[]} */
    let rows = [];
    let isWanted = false;
    let isOnline = false;
    /** Whom the user has blocked: asked for where there is a group, in which they still can be heard. @type {Set<string>} */
    let blocked = new Set();
    let areKnown = false;

    /** @param {string} peer */
    function of(peer) {
        let found = all.get(peer);
        if (!found) {
            const [idle] = (all.size >= KEPT && [...all].find(([, { isOpen }]) => !isOpen)) || [];
            if (idle) all.delete(idle);
            all.set(peer, (found = createConversation(host, peer, () => list.changed(), user => blocked.has(user))));
            if (isOnline && !areKnown) void askBlocks();
        }
        return found;
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

    /** The list. Where it can't be loaded that is tried again over the next connection. */
    async function look() {
        try {
            const { createList } = await pages();
            shown ??= createList(host, all, of);
            list.changed();
            if (isOnline) void shown.ask();
        } catch (error) {
            failed(error);
        }
    }

    const list = new Source(() => {
        if (!isWanted) void look();
        isWanted = true;
        return (rows = shown?.rows(rows) ?? rows);
    });

    return {
        /** Those with messages, the one with the latest first; and groups, if they have none. */
        list,

        /** Looks again whom the user has blocked. */
        askBlocks,

        /** The same object for the same address. @param {string} address @returns {Conversation} */
        get(address) {
            const peer = seenFrom(address, host.region);
            const its = of(peer);
            if (!its.isOpen) void its.load();
            its.isOpen = true;
            return its.conversation;
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
            if (isWanted) void look();
            void askBlocks();
        },
    };
}
