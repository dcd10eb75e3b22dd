/**
 * How entries become messages. Whatever the order in which they come, and however often, the same ones give the same.
 *
 * Messages stand in the order in which gateways accepted them: by time, and by id where two have the same time. What is not accepted yet
 * stands behind everything else, and what failed where it was handed over. An edit or a deletion counts where its author is the message's
 * own; a deletion is final. A reaction is one for each person and emoji. Of several edits or reactions the last one counts.
 *
 * In a group the messages are those of all its members, and what became of it and of them stands among these. A deletion by somebody who
 * said nothing under its id is an admin's, and about whoever did.
 */

/** @import { EntryFrame, ReceiptFrame } from "../core/words.js" */
/** @import { Draft } from "../host.js" */
/** @import { GroupEvent, Message, Reaction, Snapshot, State } from "./message.js" */

import { forgetOldest, under } from "../core/bounds.js";
import { isForNow } from "../core/next.js";
import { parse } from "../core/parse.js";
import { orNothing } from "../errors.js";
import { createMarks } from "./marks.js";

/** Messages that are kept where nothing else is said, those among them of which only changes have come. */
const KEPT = 2_000;
/** Reactions of one message that are remembered, those that were taken back among them. */
const REACTIONS = 64;

/** What has to be there of each thing that can be said. */
const SAID = {
    failed: "id",
    react: "target emoji",
    message: "",
    edit: "target",
    delete: "target",
    membership: "users change",
    settings: "users change",
};

/** @typedef {{ time: number, id: string }} Place where an entry stands among all of the conversation */
/** @typedef {{ text?: string | null, data?: string | null, attachments?: import("../frames.js").Attachment[] | null, reply_to?: string | null, mentions?: string[] | null }} Body */
/** @typedef {{ code: string, message: string, retry_after?: number | null }} Refused */
/** @typedef {Place & { order?: number | null } & Body & { event?: GroupEvent }} Said */

/**
 * What one author said under an id; or what waits to be sent, or failed.
 *
 * @typedef {object} Slot
 * @property {string} key
 * @property {string} [draft] the key of the draft that has this id
 * @property {Said} [said]
 * @property {Said} [edit]
 * @property {boolean} [deleted]
 * @property {Refused} [error]
 * @property {boolean} [waits] no gateway has accepted it
 * @property {Message} [shown]
 */

/**
 * All that is known under one id: what each one said who took it, and the reactions. Oneself is "".
 *
 * @typedef {object} Item
 * @property {Map<string, Slot>} slots
 * @property {Map<string, Place & { by: string, emoji: string, plain: string, on: boolean }>} given
 */

/** @param {string} one @param {string} other */
const inOrder = (one, other) => +(one > other) - +(one < other);

/** @param {Place} one @param {Place} other */
const compare = (one, other) => one.time - other.time || inOrder(one.id, other.id);

/**
 * Whether something stands behind the last one.
 *
 * @param {Place | undefined} last
 * @param {Place} said
 */
export const isNewer = (last, said) => !last || compare(last, said) < 0;

/**
 * Whether a message is another one's that is to be read.
 *
 * @param {Snapshot} message
 */
export const isReceived = ({ mine, deleted, event, folded }) => !mine && !deleted && !event && !folded;

/**
 * What was said, if it is as this release knows it: what is not is passed over.
 *
 * @param {any} content
 */
function known(content) {
    const [what, said] = parse(content, SAID) ?? [];
    return orNothing(() => atob(said.data ?? "")) === undefined ? undefined : what;
}

/**
 * @param {string} peer as entries name it
 * @param {() => string} me
 * @param {(snapshot: Snapshot) => Message} make
 * @param {(user: string) => boolean} [isBlocked]
 */
export function createFold(peer, me, make, isBlocked = () => false) {
    /** @type {Map<string, Item>} */
    const items = new Map();
    /** @type {Map<string, Slot & { said: Said }>} */
    const drafts = new Map();
    const marks = createMarks();
    const isGroup = peer[0] === "#";
    /** @type {readonly Message[] | undefined} */
    let list;

    /** Forgets the oldest of what is too much, by the time that their ids carry. */
    function trim() {
        for (const id of [...items.keys()].sort().slice(0, -fold.keep)) items.delete(id);
    }

    /** @returns {Item} */
    const fresh = () => ({ slots: new Map(), given: new Map() });

    /** @param {string} id */
    function itemOf(id) {
        if (items.size >= 2 * fold.keep) trim();
        return under(items, id, fresh);
    }

    /** It is another than before. @param {Slot} [slot] */
    function touch(slot) {
        list = undefined;
        if (slot) slot.shown = undefined;
    }

    /**
     * @param {string} id
     * @param {string} by
     * @returns {Slot}
     */
    function slotOf(id, by) {
        return under(itemOf(id).slots, by, () => ({ key: `${by}/${id}` }));
    }

    /**
     * Whose it is: "" of oneself, nobody's in another conversation. In a group it is known once it is known who this is.
     *
     * @param {{ from?: string, to: string }} said `from` is left out of what was sent from here
     */
    function whose({ from, to }) {
        if (from === peer && to !== peer) return peer;
        if (to !== peer || (isGroup && !me())) return undefined;
        return isGroup && from && from !== me() ? from : "";
    }

    /**
     * Takes what was said in this conversation.
     *
     * @param {Said & { from?: string, to: string }} said
     * @param {any} content
     */
    function take(said, content) {
        const { message, edit, delete: taken, react, membership, settings } = content;
        const event = isGroup && (membership ?? settings);
        const by = whose(said);
        if (by === undefined || !known(content)) return;
        if (react?.emoji) {
            const { given, slots } = itemOf(react.target);
            const plain = react.emoji.replace(/[\ufe0e\ufe0f]/g, "");
            const key = `${by}/${plain}`;
            if (!isNewer(given.get(key), said)) return;
            given.set(key, { ...react, ...said, by, plain });
            forgetOldest(given, REACTIONS);
            return slots.forEach(touch);
        }
        const { target = said.id } = edit ?? taken ?? {};
        if (!message && !edit && !taken && !event) return;
        const slot = slotOf(target, by);
        if (message || event) {
            // After a power loss a message is stored again, and later: that counts.
            if (!isNewer(slot.said, said)) return;
            // The draft's key goes on, so that whoever shows it shows the same message.
            if (slot.draft && drafts.delete(slot.draft)) slot.key = slot.draft;
            slot.said = { ...message, ...said, event };
        } else {
            if (slot.deleted || (edit && !isNewer(slot.edit, said))) return;
            slot.deleted = !edit;
            slot.edit = edit && { ...edit, ...said };
        }
        itemOf(target).slots.forEach(touch);
    }

    /** @param {Slot} slot @returns {State} */
    function stateOf({ said, error, waits }) {
        if (error) return "failed";
        if (waits) return "sending";
        return said?.order == null ? "sent" : marks.reached(said.order, said.time);
    }

    /** @param {Item} item */
    function reactionsTo({ given }) {
        /** @type {Map<string, Reaction>} */
        const reactions = new Map();
        for (const { emoji, plain, by, on } of [...given.values()].sort(compare)) {
            if (!on) continue;
            const reaction = under(reactions, plain, () => ({ emoji, from: [], mine: false }));
            reaction.from.push(by || me());
            reaction.mine ||= !by;
        }
        return [...reactions.values()];
    }

    /**
     * @param {Slot & { said: Said }} slot
     * @param {string} by
     */
    function show(slot, by) {
        if (slot.shown) return slot.shown;
        const { key, said, edit, error } = slot;
        const { time, id, order = null } = said;
        const event = said.event || null;
        const item = items.get(id) ?? fresh();
        const isAdmins = () => isGroup && [...item.slots.values()].some(({ said, deleted }) => deleted && !said);
        const deleted = slot.deleted ?? isAdmins();
        const { text = null, data } = deleted ? {} : edit ?? said;
        return (slot.shown = make({
            key,
            id: event ? null : id || null,
            from: by || me(),
            mine: !by,
            time,
            order,
            text,
            data: data == null ? null : Uint8Array.from(atob(data), letter => letter.charCodeAt(0)),
            attachments: (!deleted && said.attachments) || [],
            replyTo: said.reply_to ?? null,
            mentions: (!deleted && said.mentions) || [],
            edited: !deleted && Boolean(edit),
            deleted,
            reactions: deleted ? [] : reactionsTo(item),
            state: by || event ? null : stateOf(slot),
            receipts: (!by && order != null && marks.counted(order, time)) || null,
            event,
            folded: isGroup && isBlocked(by),
            error: error ? { ...error, retryable: isForNow(error.code, error.retry_after) } : null,
        }));
    }

    const fold = {
        keep: KEPT,
        /** Which message the next page of history stands below; `null` where there is none. @type {number | null | undefined} */
        before: undefined,
        whose,
        take,

        /** An entry of this conversation, wherever it comes from. @param {{ entry: EntryFrame }} told */
        entry({ entry }) {
            if (known(entry.content) !== "failed") return take(entry, entry.content);
            const { failed } = /** @type {any} */ (entry.content);
            // The system's word; a peer that says it is a gateway's mistake.
            if (failed.to !== peer || entry.from === peer) return;
            const slot = slotOf(failed.id, "");
            slot.error ??= failed;
            touch(slot);
        },

        /**
         * What was sent from here, as it is now: it waits, perhaps with an id, or failed, or was accepted. One that failed and is stored
         * all the same becomes a message like all others once its entry comes.
         *
         * @param {{ draft: Draft }} told
         */
        draft({ draft: { key, id = "", at, content, accepted, error } }) {
            const known = drafts.get(key);
            if (content.message && (known || !accepted)) {
                if (known && known.said.id === id && known.error === error && !accepted) return;
                drafts.set(key, { key, said: { ...content.message, time: at, id }, error, waits: true });
                touch();
                if (id) {
                    const slot = slotOf(id, "");
                    slot.draft = key;
                    // Its entry was the answer.
                    if (slot.said) drafts.delete(key);
                }
            }
            if (accepted) take({ ...accepted, to: peer }, content);
        },

        /** @param {{ key: string }} told */
        discarded({ key }) {
            if (drafts.delete(key)) touch();
        },

        /** Something that all are made with has changed: who this is, perhaps, which may be known later than what was kept of them. */
        anew() {
            touch();
            for (const { slots } of items.values()) slots.forEach(touch);
            drafts.forEach(touch);
        },

        /** Within a life of the peer's log marks only rise. @param {{ receipt: ReceiptFrame }} told */
        receipt({ receipt }) {
            marks.raise(receipt);
            for (const { slots } of items.values()) {
                const own = slots.get("");
                const was = own?.shown;
                if (was && (was.order === receipt.order || was.state !== stateOf(own))) touch(own);
            }
        },

        /** The messages, oldest first: the same array for as long as nothing has changed, and in another the same unchanged messages. */
        messages() {
            if (list) return list;
            trim();
            /** @type {[Place, Message][]} */
            const rows = [];
            for (const { slots } of items.values()) {
                slots.forEach((slot, by) => slot.said && rows.push([slot.said, show(/** @type {any} */ (slot), by)]));
            }
            for (const draft of drafts.values()) {
                rows.push([draft.error ? { time: draft.said.time, id: "~" } : { time: Infinity, id: "" }, show(draft, "")]);
            }
            rows.sort(([one, { from }], [other, { from: its }]) => compare(one, other) || inOrder(from, its));
            return (list = Object.freeze(rows.map(([, message]) => message)));
        },
    };
    return fold;
}
