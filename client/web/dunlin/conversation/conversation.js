/** A conversation with one peer, who may be a group, as applications have it: what is folded, what is asked, and what is said. */

/** @import { Host, Told } from "../host.js" */
/** @import { Conversation, Draft, Message, Words } from "./message.js" */
/** @import { Row } from "./pages.js" */

import { DunlinError, must } from "../errors.js";
import { later } from "../later.js";
import { Source } from "../readable.js";
import { createFold, isNewer, isReceived } from "./fold.js";

/** How long a peer is typing after they said so, and how often one says so oneself, in ms. */
const TYPING_FOR = 10_000;
const TYPING_EVERY = 3_000;
/** Entries of what is kept that are read at first; and messages that `older` brings, where nothing is said. */
const FIRST = 200;
const SOME = 50;
/** What ends somebody's part in a group. */
const GONE = ["removed", "left", "deleted"];
/** Text and data of a message together, in bytes, at most. */
const BODY = 32 * 1024;

/** @typedef {{ [Kind in Told["kind"]]?: (told: Extract<Told, { kind: Kind }>) => void }} Hears */
/** @typedef {ReturnType<typeof createFold>} Fold */

/**
 * A conversation as the library has it.
 *
 * @typedef {object} Own
 * @property {Conversation} conversation
 * @property {(told: any) => void} tell
 * @property {(most?: number) => Promise<void>} load
 * @property {() => void} changed
 * @property {() => void} blocked Others are blocked than before.
 * @property {(order: number) => void} mark The user has read up to there.
 * @property {number} read Up to which order of the peer's the user has read.
 * @property {Fold} fold
 * @property {boolean} [isOpen] Whether somebody looks at it.
 * @property {Row} [row] What the list has of it.
 */

/** What brings older messages, and the list. */
export const pages = later(() => import("./pages.js"));

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
 * @returns {Own}
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
    let read = 0;
    /** What was done to messages and has no outcome, by key. @type {Map<string, (error?: any) => void>} */
    const deeds = new Map();
    /** @type {Promise<boolean> | undefined} */
    let asking;
    /** What is told while what is kept is read, which may be older. @type {Told[] | undefined} */
    let meanwhile;

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
        own.row?.changed();
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

    /** @param {number} most @param {Fold} its another user has another one */
    const bring = async (most, its) => (await pages()).bringOlder(host, own, its, most);

    const older = (most = SOME) => (asking ??= bring(most, fold).finally(() => (asking = undefined)));

    /** @param {number} order */
    const mark = order => void (read = Math.max(read, order));

    /** @param {string} key */
    const withKey = key => fold.messages().find(message => message.key === key);

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
            if (by && said.delete) own.row?.recount();
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
            own.row = meanwhile = undefined;
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
            for (const one of /** @type {any[]} */ (fold.messages())) {
                if (isReceived(one) && (!upTo || !isNewer(/** @type {any} */ (upTo), one))) order = Math.max(order, one.order);
            }
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

    /** @type {Own} */
    const own = {
        conversation,
        tell,
        load,
        mark,
        changed: tellChanged,

        get fold() {
            return fold;
        },

        get read() {
            return read;
        },

        blocked() {
            fold.anew();
            tellChanged();
        },
    };
    return own;
}
