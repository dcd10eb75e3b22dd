/** A conversation with one peer, who may be a group, as applications have it: what is folded, what is asked, and what is said. */

/** @import { Host, Told } from "../host.js" */
/** @import { Conversation, Draft, Message, Summary, Words } from "./message.js" */

import { DunlinError, must } from "../errors.js";
import { Source } from "../readable.js";
import { createFold, isNewer } from "./fold.js";

/** How long a peer is typing after they said so, and how often one says so oneself, in ms. */
const TYPING_FOR = 10_000;
const TYPING_EVERY = 3_000;
/** Entries of what is kept that are read at first; and messages that `older` brings, where nothing is said and at most. */
const FIRST = 200;
const SOME = 50;
const MOST = 100;
/** What ends somebody's part in a group. */
const GONE = ["removed", "left", "deleted"];
/** Text and data of a message together, in bytes, at most. */
const BODY = 32 * 1024;

/** @typedef {{ [Kind in Told["kind"]]?: (told: Extract<Told, { kind: Kind }>) => void }} Hears */
/** @typedef {{ last: any, unread: number, mentions?: number, title?: string | null, read?: number | null }} Listed as a page of `conversations` has one */

/** @param {unknown} id of a message that is to be answered or changed */
const mustBeSent = id => must(id, "it was never sent");

/**
 * Throws where no gateway would take them.
 *
 * @param {Draft} draft
 * @param {number} [files] how many go with it
 */
function wordsOf(draft, files) {
    const { text = null, data } = typeof draft === "string" ? { text: draft } : draft;
    const { size } = new Blob([text ?? "", /** @type {any} */ (data ?? "")]);
    must((size || files) && size <= BODY, `text and data are 1 to ${BODY} bytes`);
    return { text: text && `${text}`, data: data ? btoa(String.fromCharCode(...data)) : null };
}

/**
 * @param {Host} host
 * @param {string} peer as entries name it
 * @param {() => void} changed called after each change
 * @param {(user: string) => boolean} isBlocked
 */
export function createConversation(host, peer, changed, isBlocked) {
    let fold = begun();
    const messages = new Source(() => fold.messages());
    /** Who types, and what ends that. @type {Map<string, ReturnType<typeof setTimeout>>} */
    const types = new Map();
    const typists = new Source(() => [...types.keys()]);
    const typing = new Source(() => types.size > 0);
    let user = host.user ?? "";
    const closed = new Source(() => {
        const last = fold.messages().findLast(({ event }) => event?.change === "deleted" || event?.users.includes(user));
        return GONE.includes(last?.event?.change ?? "");
    });
    let typedAt = -Infinity;
    /** Up to which order of the peer's the user has read. */
    let read = 0;
    /** What was done to messages and has no outcome, by key. @type {Map<string, (error?: any) => void>} */
    const deeds = new Map();
    /** Which message the next page of history stands below; `null` where there is none. @type {number | null | undefined} */
    let before;
    /** @type {Promise<boolean> | undefined} */
    let asking;
    /** What is told while what is kept is read, which may be older. @type {Told[] | undefined} */
    let meanwhile;
    /** What the list says, while it holds. @type {Listed | undefined} */
    let listed;
    /** What the list has called it. @type {string | null | undefined} */
    let called;
    /** @type {Summary | undefined} */
    let summary;

    /** A fold whose messages can be dealt with. */
    function begun() {
        /** @param {Message} message @param {string} what @param {object} [how] @returns {Promise<void>} */
        const change = ({ id: target }, what, how) => {
            mustBeSent(target);
            const { key } = host.submit(peer, { [what]: { target, ...how } });
            const outcome = new Promise((resolve, reject) => {
                deeds.set(key, error => (error ? reject(new DunlinError(error)) : resolve(undefined)));
            });
            // Who does not ask for the outcome need not hear of it.
            outcome.catch(() => {});
            return /** @type {Promise<void>} */ (outcome);
        };
        const actions = {
            /** @this {Message} @param {string | Words} words */
            edit(words) {
                return change(this, "edit", wordsOf(words));
            },
            /** @this {Message} @param {string} emoji */
            react(emoji, on = true) {
                return change(this, "react", { emoji, on });
            },
            /** @this {Message} */
            delete() {
                return change(this, "delete");
            },
            /** @this {Message} */
            retry() {
                host.retry(this.key);
            },
            /** @this {Message} */
            discard() {
                host.discard(this.key);
            },
        };
        return createFold(peer, () => user, snapshot => Object.freeze(/** @type {any} */ ({ __proto__: actions, ...snapshot })), isBlocked);
    }

    function tellChanged() {
        messages.changed();
        closed.changed();
        changed();
    }

    /** @param {string} who @param {number} [most] for how long they type, in ms */
    function type(who, most) {
        clearTimeout(types.get(who));
        types.delete(who);
        if (most) types.set(who, setTimeout(type, most, who));
        typing.changed();
        typists.changed();
    }

    const nobodyTypes = () => [...types.keys()].forEach(who => type(who));

    /** Reads the latest of what is kept. */
    async function load(most = FIRST) {
        /** @type {Told[]} */
        const told = (meanwhile = []);
        const shown = fold.messages();
        const kept = await host.kept(peer, most);
        // Somebody else is there, or it is read anew.
        if (meanwhile !== told) return;
        meanwhile = undefined;
        // Some may have their outcome, of which this tab has not heard.
        shown.forEach(fold.discarded);
        kept.entries.forEach(entry => fold.entry({ entry }));
        kept.receipts.forEach(receipt => fold.receipt({ receipt }));
        kept.drafts.forEach(draft => fold.draft({ draft }));
        mark(kept.read ?? 0);
        told.forEach(tell);
        tellChanged();
    }

    /** @param {number} most */
    async function bringOlder(most) {
        const its = fold;
        const had = fold.messages().length;
        while (fold.messages().length <= had && before !== null && its === fold) {
            const { history } = await host.ask({ history: { with: peer, before, limit: Math.min(most, MOST) } });
            if (its !== fold) break;
            fold.keep += history.entries.length;
            history.entries.forEach(fold.past);
            before = history.next ?? null;
            tellChanged();
        }
        return before !== null;
    }

    const older = (most = SOME) => (asking ??= bringOlder(most).finally(() => (asking = undefined)));

    /** @param {number} order */
    function mark(order) {
        if (order <= read) return;
        read = order;
        if (listed && listed.last.from !== user && order >= listed.last.order) listed = undefined;
        recount();
    }

    /** The number in the list does not hold any more: counts what is here, as soon as that is enough. */
    function recount() {
        if (listed?.unread) older(MOST).catch(() => {});
        listed = undefined;
    }

    /** @param {string} key */
    const withKey = key => fold.messages().find(message => message.key === key);

    /** The messages of others that are to be read, as places. @returns {any[]} */
    const received = () => fold.messages().filter(({ mine, deleted, event, folded }) => !mine && !deleted && !event && !folded);

    /** How many are unread of those that count. @param {"unread" | "mentions"} name @param {(one: Message) => unknown} counts */
    function count(name, counts) {
        const unread = received().filter(one => one.order > read && counts(one));
        const newer = listed && unread.filter(one => isNewer(listed?.last, one)).length + (listed[name] ?? 0);
        return Math.max(unread.length, newer ?? 0);
    }

    /** What is not the fold's alone. @type {Hears} */
    const hears = {
        entry({ entry }) {
            const by = fold.whose(entry);
            const said = entry.content;
            // Whoever goes types no more, and whoever is gone hears nobody.
            if (said.membership && types.size) {
                fold.messages().at(-1)?.event?.users.forEach(who => type(who));
                if (closed.get()) nobodyTypes();
            }
            if (by && said.message) type(by);
            if (by && said.delete) recount();
        },
        draft({ draft: { key, accepted, error } }) {
            if (!accepted && !error) return;
            deeds.get(key)?.(error);
            deeds.delete(key);
        },
        marked: told => mark(told.read),
        signal({ from, signal }) {
            if (signal === "typing") type(from, TYPING_FOR);
            if (signal === "typing_stopped") type(from);
        },
        disconnected: nobodyTypes,
        stale: () => void load(),
        status() {
            if (user === (host.user ?? "")) return;
            user = host.user ?? "";
            fold.anew();
            // Nobody could tell what is one's own.
            if (peer[0] === "#") void load();
        },
        reset() {
            fold = begun();
            meanwhile = listed = before = undefined;
            read = 0;
            nobodyTypes();
        },
    };

    /** Takes what is about this conversation, or about all. @param {any} told */
    function tell(told) {
        if (told.draft || told.key) meanwhile?.push(told);
        for (const part of /** @type {any[]} */ ([fold, hears])) part[told.kind]?.(told);
        tellChanged();
    }

    /** @type {Conversation} */
    const conversation = {
        with: peer,
        messages,
        typing,
        typists,
        closed,
        older,

        send(draft) {
            const { replyTo = null, mentions, attachments = [] } = /** @type {any} */ (draft);
            // A message has its id later than whoever holds it knows.
            const answered = replyTo?.key ? replyTo.id ?? withKey(replyTo.key)?.id : replyTo;
            mustBeSent(!replyTo || answered);
            const message = { ...wordsOf(draft, attachments.length), attachments, reply_to: answered, ...(mentions && { mentions }) };
            const { key } = host.submit(peer, { message });
            // Whoever gets a message takes it as the end of the typing.
            typedAt = -Infinity;
            return /** @type {Message} */ (withKey(key));
        },

        markRead(upTo) {
            let order = read;
            for (const one of received()) if (!upTo || !isNewer(/** @type {any} */ (upTo), one)) order = Math.max(order, one.order);
            if (order === read) return;
            host.read(peer, order);
            tell({ kind: "marked", with: peer, read: order });
        },

        keystroke() {
            const now = Date.now();
            if (now - typedAt < TYPING_EVERY) return;
            typedAt = now;
            host.signal(peer, "typing");
        },
    };

    return {
        conversation,
        tell,
        load,

        /** Others are blocked than before. */
        blocked() {
            fold.anew();
            tellChanged();
        },

        /** What a page of `conversations` says of it. @param {Listed} item */
        list(item) {
            const known = read;
            if (item.last) fold.past(item.last);
            listed = item.last ? item : undefined;
            called = item.title;
            read = item.read ?? 0;
            // It may be read further, which is not stored yet.
            mark(known);
            tellChanged();
        },

        /** @returns {Summary} the same object for as long as nothing in it has changed */
        summary() {
            const all = fold.messages();
            /** @type {any} */
            const named = all.findLast(({ event }) => event && "settings" in event)?.event;
            /** @type {Summary} */
            const now = {
                with: peer,
                last: all.findLast(({ deleted }) => !deleted) ?? null,
                unread: count("unread", () => true),
                mentions: count("mentions", ({ mentions }) => mentions.includes(user)),
                read,
                title: (named ? named.title : called) ?? null,
            };
            const isSame = Object.entries(now).every(([name, value]) => summary?.[/** @type {"with"} */ (name)] === value);
            return (summary = isSame && summary || now);
        },
    };
}
