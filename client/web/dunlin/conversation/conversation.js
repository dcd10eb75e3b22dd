/** A conversation with one peer, as applications have it: what is folded, what is asked, and what is said. */

/** @import { Content } from "../core/words.js" */
/** @import { Host, Kept, Told } from "../host.js" */
/** @import { Message, Messages, Summary, Words } from "./message.js" */
/** @import { Readable } from "../readable.js" */

import { Source } from "../readable.js";
import { Fold } from "./fold.js";

/** How long a peer is typing after they said so, and how often one says so oneself, in ms. */
const TYPING_FOR = 10_000;
const TYPING_EVERY = 3_000;
/** Entries that are read at first and with each look at older ones, and the most messages that a page of `history` has. */
const SOME = 50;
const PAGE = 100;

/** @type {Kept} */
const NOTHING = { entries: [], drafts: [], receipts: [], read: 0 };

/** @param {string | Words} words */
const wordsOf = words => {
    const { text = null, data } = typeof words === "string" ? { text: words } : words;
    return { text, data: data ? btoa(Array.from(data, byte => String.fromCharCode(byte)).join("")) : null };
};

export class Conversation {
    /** Its messages as they are now, oldest first. @type {Messages} */
    messages;
    /** Whether the peer is typing. @type {Readable<boolean>} */
    typing;
    #host;
    #told;
    /** @type {Fold} */
    #fold;
    #messages = new Source(() => this.#fold.messages());
    #types = false;
    #typing = new Source(() => this.#types);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #typingEnds;
    #typedAt = -Infinity;
    /** What was done to messages and has no outcome, by key. @type {Map<string, (error?: { code: string, message: string }) => void>} */
    #deeds = new Map();
    /** Which entry the next ones that are kept stand below, and which message the next page of history; `null` where there are no more. */
    /** @type {string | null | undefined} */
    #keptBelow;
    /** @type {number | null | undefined} */
    #before;
    /** @type {Promise<boolean> | undefined} */
    #asking;
    /** What is told while what is kept is read, which may be older. @type {Told[] | undefined} */
    #meanwhile;
    /** What a list of conversations said: how many are unread up to its last message. @type {{ unread: number, last: any } | undefined} */
    #listed;
    /** @type {Summary | undefined} */
    #summary;
    /** @internal */
    isOpen = false;

    /**
     * @internal
     * @param {Host} host
     * @param {string} peer as entries name it
     * @param {() => void} told called after each change
     */
    constructor(host, peer, told) {
        /** The peer's address. */
        this.with = peer;
        this.messages = this.#messages;
        this.typing = this.#typing;
        this.#host = host;
        this.#told = told;
        this.#fold = this.#begun();
    }

    /**
     * Sends a message, which is there at once.
     *
     * @param {string | Words & { replyTo?: Message | string | null }} draft
     * @returns {Message}
     */
    send(draft) {
        const { replyTo = null } = typeof draft === "string" ? {} : draft;
        const reply_to = replyTo && typeof replyTo === "object" ? replyTo.id : replyTo;
        const submitted = this.#host.submit(this.with, { message: { ...wordsOf(draft), attachments: [], reply_to } });
        // Whoever gets a message takes it as the end of the typing.
        this.#typedAt = -Infinity;
        this.tell({ kind: "draft", draft: submitted });
        return /** @type {Message} */ (this.messages.get().find(({ key }) => key === submitted.key));
    }

    /**
     * Brings older messages, at least one where there is any. Whether there may be more.
     *
     * @param {number} [most]
     * @returns {Promise<boolean>}
     */
    older(most = SOME) {
        return (this.#asking ??= this.#older(most).finally(() => (this.#asking = undefined)));
    }

    /** The user has read all that is here, or what there is up to a message. @param {Message} [upTo] */
    markRead(upTo) {
        const all = this.messages.get();
        const read = upTo ? all.slice(0, all.findIndex(({ key }) => key === upTo.key) + 1) : all;
        const order = Math.max(0, ...read.map(({ mine, deleted, order }) => (mine || deleted ? 0 : order ?? 0)));
        if (order <= this.#fold.marked) return;
        this.#host.read(this.with, order);
        this.tell({ kind: "marked", with: this.with, read: order });
    }

    /** The user types: say so with each key. The peer is told every few seconds. */
    keystroke() {
        const now = Date.now();
        if (now - this.#typedAt < TYPING_EVERY) return;
        this.#typedAt = now;
        this.#host.signal(this.with, "typing");
    }

    /**
     * Takes what is about this conversation, or about all.
     *
     * @internal
     * @param {Told} told
     */
    tell(told) {
        this.#meanwhile?.push(told);
        const fold = this.#fold;
        switch (told.kind) {
            case "entry": {
                const { message, delete: taken } = told.entry.content;
                fold.entry(told.entry);
                if (told.entry.from !== this.with) break;
                if (message) this.#type(0);
                if (taken) this.#recount();
                break;
            }
            case "draft":
                fold.draft(told.draft);
                break;
            case "named":
                fold.named(told.key, told.id);
                break;
            case "settled":
                fold.settled(told);
                this.#deeds.get(told.key)?.("error" in told ? told.error : undefined);
                break;
            case "discarded":
                fold.discard(told.key);
                break;
            case "receipt":
                fold.receipt(told.receipt);
                break;
            case "marked":
                this.#marked(told.read);
                break;
            case "signal":
                if (told.signal === "typing") this.#type(TYPING_FOR);
                if (told.signal === "typing_stopped") this.#type(0);
                return;
            case "disconnected":
                return this.#type(0);
            case "status":
                fold.introduced();
                break;
            case "gone":
                fold.discard(told.key);
                void this.#read();
                break;
            case "stale":
                void this.#read();
                return;
            case "reset":
                this.#fold = this.#begun();
                this.#meanwhile = this.#listed = this.#before = this.#keptBelow = undefined;
                this.#type(0);
        }
        this.#changed();
    }

    /** Somebody looks at it. @internal */
    open() {
        if (!this.isOpen) void this.#read();
        this.isOpen = true;
    }

    /**
     * Takes what a page of `conversations` says of it.
     *
     * @internal
     * @param {{ last: any, unread: number, read?: number | null }} item
     */
    listed({ last, unread, read }) {
        const { marked } = this.#fold;
        if (last) this.#fold.past(last);
        this.#listed = last && { unread, last };
        this.#fold.marked = read ?? 0;
        // It may be read further, which is not stored yet.
        this.#marked(marked);
        this.#changed();
    }

    /** @internal @returns {Summary} */
    summary() {
        const last = this.#fold.messages().findLast(({ deleted }) => !deleted) ?? null;
        const summary = { with: this.with, last, unread: this.#unread(), read: this.#fold.marked };
        const was = this.#summary;
        if (was && was.last === last && was.unread === summary.unread && was.read === summary.read) return was;
        return (this.#summary = Object.freeze(summary));
    }

    #begun() {
        const host = this.#host;
        /** @param {Message} message @param {string} what @param {object} how */
        const change = ({ id: target }, what, how) => {
            if (!target) throw new Error("it was never sent: nothing can be done to it yet");
            return this.#change({ [what]: { target, ...how } });
        };
        const deeds = {
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
                return change(this, "delete", {});
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
        return new Fold(this.with, () => host.user ?? "", snapshot => Object.freeze(Object.assign(Object.create(deeds), snapshot)));
    }

    /** @param {Content} content @returns {Promise<void>} */
    #change(content) {
        const { key } = this.#host.submit(this.with, content);
        /** @type {Promise<void>} */
        const outcome = new Promise((resolve, reject) => {
            this.#deeds.set(key, error => {
                this.#deeds.delete(key);
                if (error) reject(Object.assign(new Error(error.message), error));
                else resolve();
            });
        });
        // Who does not ask for the outcome need not hear of it.
        outcome.catch(() => {});
        return outcome;
    }

    /** Reads the latest of what is kept; or what is kept below that, and how many entries that is. @param {string} [below] */
    async #read(below) {
        const meanwhile = (this.#meanwhile = /** @type {Told[]} */ ([]));
        // Of a store that can't be read its own event tells.
        const kept = await this.#host.kept(this.with, SOME, below).catch(() => NOTHING);
        // Somebody else is there, or it is read anew.
        if (this.#meanwhile !== meanwhile) return;
        this.#meanwhile = undefined;
        const { entries, drafts, receipts, read = 0 } = kept;
        const fold = this.#fold;
        if (below) fold.keep += entries.length;
        entries.forEach(entry => fold.entry(entry));
        receipts.forEach(receipt => fold.receipt(receipt));
        drafts.forEach(draft => fold.draft(draft));
        this.#marked(read);
        this.#keptBelow = entries.length < SOME ? null : entries[0].id;
        meanwhile.forEach(told => "key" in told && this.tell(told));
        this.#changed();
    }

    /** @param {number} most */
    async #older(most) {
        const fold = this.#fold;
        const had = fold.messages().length;
        while (fold.messages().length <= had && this.#before !== null && fold === this.#fold) {
            if (this.#keptBelow) {
                await this.#read(this.#keptBelow);
                continue;
            }
            const limit = Math.min(Math.max(most, 1), PAGE);
            const { history } = await this.#host.ask({ history: { with: this.with, before: this.#before, limit } });
            if (fold !== this.#fold) break;
            fold.keep += history.entries.length;
            for (const entry of history.entries) fold.past(entry);
            this.#before = history.next ?? null;
            this.#changed();
        }
        return this.#before !== null;
    }

    /** @param {number} order */
    #marked(order) {
        if (order <= this.#fold.marked) return;
        this.#fold.marked = order;
        const last = this.#listed?.last;
        if (last?.from === this.with && order >= last.order) this.#listed = undefined;
        else this.#recount();
    }

    /** The number in the list does not hold any more: counts what is here, as soon as that is enough. */
    #recount() {
        if (this.#listed?.unread) this.older(PAGE).catch(() => {});
        this.#listed = undefined;
    }

    #unread() {
        const all = this.#fold.unread();
        if (!this.#listed) return all;
        const later = this.#fold.unread(this.#listed.last);
        return Math.max(all, later + this.#listed.unread);
    }

    /** @param {number} most for how long the peer types, in ms */
    #type(most) {
        clearTimeout(this.#typingEnds);
        if (most) this.#typingEnds = setTimeout(() => this.#type(0), most);
        this.#types = most > 0;
        this.#typing.changed();
    }

    #changed() {
        this.#messages.changed();
        this.#told();
    }
}
