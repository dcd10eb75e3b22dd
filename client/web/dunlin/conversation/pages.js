/**
 * What a region keeps of conversations, a page at a time: older messages, and the list of them all. It is loaded when somebody looks at
 * either.
 */

/** @import { Host } from "../host.js" */
/** @import { Fold, Own } from "./conversation.js" */
/** @import { Message, Summary } from "./message.js" */

import { isNewer, isReceived } from "./fold.js";

/** Messages of a page of history, at most. */
const MOST = 100;
/** What the list asks for: pages, and conversations of each; and entries that are read of what is kept of each. */
const PAGES = 20;
const PAGE = 50;

/** @typedef {{ last: any, unread: number, mentions?: number, title?: string | null, read?: number | null }} Listed as a page of `conversations` has one */
/** @typedef {ReturnType<typeof createList>} List */
/** @typedef {ReturnType<typeof createRow>} Row */

/**
 * Takes a message of a page, with what has changed it, which has no ids: it stands before all else of its time.
 *
 * @param {Fold} fold
 * @param {any} entry
 */
export function takePast({ take }, entry) {
    const { id: target, from, to, content, edited, reactions } = entry;
    take(entry, content);
    if (edited != null) take({ from, to, time: edited, id: "" }, { edit: { target, ...content.message } });
    for (const { from: by, emoji, time } of reactions) {
        take({ from: by, to: to[0] === "#" || by === from ? to : from, time, id: "" }, { react: { target, emoji, on: true } });
    }
}

/**
 * Brings older messages, at least one where there is any. Whether there may be more.
 *
 * @param {Host} host
 * @param {Own} its
 * @param {Fold} fold they are for; where there is another one by now they are not
 * @param {number} most
 */
export async function bringOlder(host, its, fold, most) {
    const had = fold.messages().length;
    while (fold.messages().length <= had && fold.before !== null && fold === its.fold) {
        const { with: peer } = its.conversation;
        const { history } = await host.ask({ history: { with: peer, before: fold.before, limit: Math.min(most, MOST) } });
        fold.keep += history.entries.length;
        for (const entry of history.entries) takePast(fold, entry);
        fold.before = history.next ?? null;
        its.changed();
    }
    return fold.before !== null;
}

/**
 * A conversation's row in the list.
 *
 * @param {Host} host
 * @param {Own} its
 */
function createRow(host, its) {
    /** What the list says, while it holds. @type {Listed | undefined} */
    let listed;
    /** What the list has called it. @type {string | null | undefined} */
    let called;
    /** Up to which order the user had read when it was counted. */
    let known = 0;
    /** @type {Summary | undefined} */
    let summary;

    /** The number in the list does not hold any more: counts what is here, as soon as that is enough. */
    function recount() {
        if (listed?.unread) its.conversation.older(MOST).catch(() => {});
        listed = undefined;
    }

    /** How many are unread of those that count. @param {"unread" | "mentions"} name @param {(one: Message) => unknown} counts */
    function count(name, counts) {
        const unread = its.fold.messages().filter(one => isReceived(one) && /** @type {number} */ (one.order) > its.read && counts(one));
        const newer = listed && unread.filter(one => isNewer(listed?.last, /** @type {any} */ (one))).length + (listed[name] ?? 0);
        return Math.max(unread.length, newer ?? 0);
    }

    return {
        recount,

        /** What a page of `conversations` says of it. @param {Listed} item */
        list(item) {
            listed = item.last ? item : undefined;
            called = item.title;
            known = item.read ?? 0;
            if (item.last) takePast(its.fold, item.last);
            // It may be read further, which is not stored yet.
            its.mark(known);
        },

        /** It has changed. */
        changed() {
            if (its.read <= known) return;
            known = its.read;
            if (listed && listed.last.from !== host.user && known >= listed.last.order) listed = undefined;
            recount();
        },

        /** @returns {Summary} the same object for as long as nothing in it has changed */
        summary() {
            const all = its.fold.messages();
            /** @type {any} */
            const named = all.findLast(({ event }) => event && "settings" in event)?.event;
            /** @type {Summary} */
            const now = {
                with: its.conversation.with,
                last: all.findLast(({ deleted }) => !deleted) ?? null,
                unread: count("unread", () => true),
                mentions: count("mentions", ({ mentions }) => mentions.includes(/** @type {string} */ (host.user))),
                read: its.read,
                title: (named ? named.title : called) ?? null,
            };
            const isSame = Object.entries(now).every(([name, value]) => summary?.[/** @type {"with"} */ (name)] === value);
            return (summary = isSame && summary || now);
        },
    };
}

/**
 * The list of conversations: what is kept of them, and what a region says of them.
 *
 * @param {Host} host
 * @param {Map<string, Own>} all
 * @param {(peer: string) => Own} of
 */
export function createList(host, all, of) {
    /** @param {Own} its */
    const rowOf = its => (its.row ??= createRow(host, its));

    /** Where there is no connection, the list has what is kept. */
    async function remember() {
        for (const peer of await host.peers()) if (!of(peer).isOpen) void of(peer).load(PAGE);
    }

    void remember();

    return {
        /**
         * The rows of those with messages, the one with the latest first; and of groups, if they have none.
         *
         * @param {readonly Summary[]} before what they are if nothing has changed
         */
        rows(before) {
            const now = [...all.values()].map(its => rowOf(its).summary()).filter(({ last, title }) => last || title);
            now.sort((one, other) => (other.last?.time ?? 0) - (one.last?.time ?? 0));
            return now.length === before.length && now.every((row, at) => row === before[at]) ? before : now;
        },

        /** Without an answer it is asked again over the next connection. */
        async ask() {
            let after;
            try {
                for (let page = 0; page < PAGES && after !== null; page++) {
                    const { conversations } = await host.ask({ conversations: { after, limit: PAGE } });
                    for (const item of conversations.items) {
                        const its = of(item.with);
                        rowOf(its).list(item);
                        its.changed();
                    }
                    after = conversations.next ?? null;
                }
            } catch {
                // The list goes on with what is known.
            }
        },
    };
}
