/**
 * How entries become messages. Whatever the order in which they come, and however often, the same ones give the same.
 *
 * Messages stand in the order in which gateways accepted them: by time, and by id where two have the same time. What is not accepted yet
 * stands behind everything else, and what failed where it was handed over. An edit or a deletion counts where its author is the message's
 * own; a deletion is final. A reaction is one for each person and emoji. Of several edits or reactions the last one counts.
 */

/** @import { Content, EntryFrame, ReceiptFrame, Stored } from "../core/words.js" */
/** @import { Draft } from "../host.js" */
/** @import { Message, Reaction, Snapshot } from "./message.js" */

import { Marks } from "./marks.js";

/** Messages that are kept where nothing else is said, and as many ids of which only changes have come. */
const KEPT = 2_000;
/** Reactions of one message that are remembered, those that were taken back among them. */
const REACTIONS = 64;

/** @typedef {{ time: number, id: string }} Place where an entry stands among all of the conversation */
/** @typedef {{ text?: string | null, data?: string | null, attachments?: string[], reply_to?: string | null }} Body */
/** @typedef {Place & { order?: number | null } & Body} Said */

/**
 * What one author said under an id.
 *
 * @typedef {object} Slot
 * @property {string} key
 * @property {Said} [said]
 * @property {Said} [edit]
 * @property {boolean} [deleted]
 * @property {{ code: string, message: string }} [error]
 * @property {boolean} [waits] it has no answer
 * @property {Message} [shown]
 */

/**
 * All that is known under one id: what oneself said and what the peer said, who may have taken the same one; and the reactions.
 *
 * @typedef {{ id: string, slots: (Slot | undefined)[], given: Map<string, Place & { theirs: number, emoji: string, on: boolean }> }} Item
 */

/**
 * @param {Place} one
 * @param {Place} other
 */
const compare = (one, other) => one.time - other.time || (one.id < other.id ? -1 : Number(one.id > other.id));

/**
 * @param {Place | undefined} last
 * @param {Place} said
 */
const isNewer = (last, said) => !last || compare(last, said) < 0;

/** @param {string | null} [data] */
const bytes = data => (data == null ? null : Uint8Array.from(atob(data), letter => letter.charCodeAt(0)));

/** The place of an entry whose id nobody says: before all others of its time. @param {number} time */
const unnamed = time => ({ time, id: "" });

/** @param {Item} item */
const placeOf = ({ id, slots }) => slots.find(slot => slot?.said)?.said ?? { time: 0, id };

export class Fold {
    keep = KEPT;
    /** Up to which order of the peer's the user has read. */
    marked = 0;
    /** @type {Map<string, Item>} */
    #items = new Map();
    /** What has no answer or a bad one, by key. @type {Map<string, Slot>} */
    #drafts = new Map();
    #marks = new Marks();
    /** @type {readonly Message[] | undefined} */
    #list;
    #peer;
    #me;
    #make;

    /**
     * @param {string} peer as entries name it
     * @param {() => string} me
     * @param {(snapshot: Snapshot) => Message} make
     */
    constructor(peer, me, make) {
        this.#peer = peer;
        this.#me = me;
        this.#make = make;
    }

    /** Takes an entry of this conversation, wherever it comes from. @param {EntryFrame} entry */
    entry({ time, id, order, from, to, content }) {
        const failed = /** @type {any} */ (content.failed);
        if (!failed) return this.#take(from, to, { time, id, order }, content);
        // The system's word; a peer that says it is a gateway's mistake.
        if (failed.to !== this.#peer || from === this.#peer) return;
        const slot = this.#slot(failed.id, 0);
        if (slot.error) return;
        slot.error = { code: failed.code, message: failed.message };
        this.#touch(slot);
    }

    /**
     * Takes a message out of a page of `history`, with what has changed it.
     *
     * @param {any} entry
     */
    past({ time, id, order, from, to, content, edited, reactions }) {
        this.#take(from, to, { time, id, order }, content);
        const { text, data } = content.message ?? {};
        if (edited != null) this.#take(from, to, unnamed(edited), { edit: { target: id, text, data } });
        for (const { from: by, emoji, time: at } of reactions ?? []) {
            this.#take(by, by === from ? to : from, unnamed(at), { react: { target: id, emoji, on: true } });
        }
    }

    /** A message waits to be sent, or has failed; or is to be sent again. @param {Draft} draft */
    draft({ key, id = "", at, content, error }) {
        const known = this.#drafts.get(key);
        if (!content.message || (known && known.error === error)) return;
        const said = { ...content.message, time: at, id: known?.said?.id || id };
        this.#drafts.set(key, { key, said, error, waits: true });
        this.#list = undefined;
        if (id) this.named(key, id);
    }

    /**
     * @param {string} key
     * @param {string} id
     */
    named(key, id) {
        const draft = this.#drafts.get(key);
        if (!draft?.said) return;
        draft.said.id = id;
        // Its entry was the answer.
        if (this.#items.get(id)?.slots[0]?.said) this.#drafts.delete(key);
        this.#touch(draft);
    }

    /**
     * What was sent has its outcome. One that failed and is stored all the same becomes a message like all others once its entry comes.
     *
     * @param {{ key: string, content: Content, accepted?: Stored, error?: { code: string, message: string } }} settled
     */
    settled({ key, content, accepted, error }) {
        const draft = this.#drafts.get(key);
        if (accepted) {
            this.discard(key);
            this.#apply(0, accepted, content, key);
        } else if (draft) {
            draft.error = error;
            this.#touch(draft);
        }
    }

    /** @param {string} key */
    discard(key) {
        if (this.#drafts.delete(key)) this.#list = undefined;
    }

    /** Within a life of the peer's log marks only rise. @param {ReceiptFrame} receipt */
    receipt(receipt) {
        this.#marks.raise(receipt);
        for (const { slots } of this.#items.values()) {
            if (slots[0]?.shown && slots[0].shown.state !== this.#state(slots[0])) this.#touch(slots[0]);
        }
    }

    /** Who this is is known from now on, who has written already. */
    introduced() {
        this.#drafts.forEach(draft => this.#touch(draft));
    }

    /** The messages, oldest first: the same array for as long as nothing has changed, and in another the same unchanged messages. */
    messages() {
        if (this.#list) return this.#list;
        this.#trim();
        /** @type {[Place, Message][]} */
        const rows = [];
        for (const { slots } of this.#items.values()) {
            slots.forEach((slot, theirs) => slot?.said && rows.push([slot.said, this.#shown(slot, theirs)]));
        }
        for (const draft of this.#drafts.values()) {
            const time = draft.error ? /** @type {Said} */ (draft.said).time : Infinity;
            rows.push([{ time, id: draft.error ? "~" : "" }, this.#shown(draft, 0)]);
        }
        rows.sort(([one], [other]) => compare(one, other));
        return (this.#list = Object.freeze(rows.map(([, message]) => message)));
    }

    /** Those of the peer's that were not taken back, behind a place. */
    received(after = unnamed(-1)) {
        const all = [...this.#items.values()].map(({ slots }) => slots[1]);
        return all.flatMap(slot => (slot?.said && !slot.deleted && compare(after, slot.said) < 0 ? [slot.said.order ?? 0] : []));
    }

    unread(after = unnamed(-1)) {
        return this.received(after).filter(order => order > this.marked).length;
    }

    /**
     * @param {string} from
     * @param {string} to
     * @param {Said} said
     * @param {Content} content
     */
    #take(from, to, said, content) {
        const theirs = Number(from === this.#peer && to !== from);
        if (!theirs && to !== this.#peer) return;
        const draft = [...this.#drafts.values()].find(draft => !theirs && said.id && draft.said?.id === said.id);
        if (draft) this.discard(draft.key);
        this.#apply(theirs, said, content, draft?.key);
    }

    /**
     * @param {number} theirs
     * @param {Said} said
     * @param {any} content
     * @param {string} [key] of the draft that this is
     */
    #apply(theirs, said, { message, edit, delete: taken, react }, key) {
        if (message) {
            const slot = this.#slot(said.id, theirs);
            // After a power loss a message is stored again, and later: that counts.
            if (!isNewer(slot.said, said)) return;
            // The draft's key goes on, so that whoever shows it shows the same message.
            if (key && !slot.said) slot.key = key;
            slot.said = { ...message, ...said };
            this.#touch(slot);
        } else if (edit) {
            const slot = this.#slot(edit.target, theirs);
            if (slot.deleted || !isNewer(slot.edit, said)) return;
            slot.edit = { ...edit, ...said };
            this.#touch(slot);
        } else if (taken) {
            const slot = this.#slot(taken.target, theirs);
            if (slot.deleted) return;
            slot.deleted = true;
            this.#touch(slot);
        } else if (react) {
            const { given, slots } = this.#item(react.target);
            const whose = theirs + react.emoji.replace(/[\ufe0e\ufe0f]/g, "");
            if (!isNewer(given.get(whose), said)) return;
            given.set(whose, { ...react, ...said, theirs });
            if (given.size > REACTIONS) given.delete([...given].sort(([, one], [, other]) => compare(one, other))[0][0]);
            slots.forEach(slot => slot && this.#touch(slot));
        }
    }

    /** @param {string} id @returns {Item} */
    #item(id) {
        let item = this.#items.get(id);
        if (!item) {
            if (this.#items.size >= 3 * this.keep) this.#trim();
            item = { id, slots: [], given: new Map() };
            this.#items.set(id, item);
        }
        return item;
    }

    /**
     * @param {string} id
     * @param {number} theirs
     * @returns {Slot}
     */
    #slot(id, theirs) {
        return (this.#item(id).slots[theirs] ??= { key: theirs + id });
    }

    /** It is another than before. What was deleted is let go of. @param {Slot} slot */
    #touch(slot) {
        slot.shown = this.#list = undefined;
        if (!slot.deleted) return;
        slot.edit = undefined;
        if (slot.said) {
            const { time, id, order, reply_to } = slot.said;
            slot.said = { time, id, order, reply_to };
        }
    }

    /** Forgets the oldest of what is too much: of messages, and of what only changes of which have come. */
    #trim() {
        for (const isKnown of [true, false]) {
            const some = [...this.#items.values()].filter(({ slots }) => slots.some(slot => slot?.said) === isKnown);
            if (some.length <= this.keep) continue;
            some.sort((one, other) => compare(placeOf(one), placeOf(other)));
            for (const { id } of some.slice(0, -this.keep)) this.#items.delete(id);
        }
    }

    /** @param {Slot} slot */
    #state({ said, error, waits }) {
        if (error) return "failed";
        if (waits) return "sending";
        return said?.order == null ? "sent" : this.#marks.reached(said.order, said.time);
    }

    /**
     * @param {Slot} slot that has a message
     * @param {number} theirs
     * @returns {Message}
     */
    #shown(slot, theirs) {
        const { key, edit, deleted = false, error = null } = slot;
        const { time, id, order = null, attachments = [], reply_to = null, ...words } = /** @type {Said} */ (slot.said);
        const { text = null, data } = edit ?? words;
        return (slot.shown ??= this.#make({
            key,
            id: id || null,
            from: theirs ? this.#peer : this.#me(),
            mine: !theirs,
            time,
            order,
            text,
            data: bytes(data),
            attachments,
            replyTo: reply_to,
            edited: Boolean(edit),
            deleted,
            reactions: deleted ? [] : this.#reactions(id),
            state: theirs ? null : this.#state(slot),
            error,
        }));
    }

    /** @param {string} id */
    #reactions(id) {
        const given = [...(this.#items.get(id)?.given ?? [])].filter(([, { on }]) => on);
        given.sort(([, one], [, other]) => compare(one, other));
        /** @type {Map<string, Reaction>} */
        const reactions = new Map();
        for (const [whose, { emoji, theirs }] of given) {
            const plain = whose.slice(1);
            const reaction = reactions.get(plain) ?? { emoji, from: [], mine: false };
            reaction.from.push(theirs ? this.#peer : this.#me());
            reaction.mine ||= !theirs;
            reactions.set(plain, reaction);
        }
        return [...reactions.values()];
    }
}
