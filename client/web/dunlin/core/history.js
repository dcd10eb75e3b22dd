/**
 * What was accepted, came to nobody yet as far as is known, and may have to be repeated after a gap.
 *
 * A receipt names an order, and in each life of the recipient's log orders begin anew: one of another life says nothing of an item. A
 * receipt tells when the life began that it is about. No answer to a send can tell in which life it was stored, since a log that went back
 * is known for it only later; so an item is held to be of a receipt's life where that had begun before the item was stored, and where it
 * was stored before the receipt came about: a later life may have used the number again. Whatever is in doubt is repeated, which does no
 * harm.
 */

import { beginning } from "./ids.js";
import { CLOCK_SKEW, REPEATED, REPEATED_FOR } from "./limits.js";
import { byAddress, byId, first } from "./order.js";
import { holds } from "./spans.js";

/** @import { Accepted } from "./words.js" */
/** @import { Span } from "./spans.js" */

/**
 * @typedef {Accepted & { life?: number }} Kept `life`: of what life of the recipient's log receipts told when the answer came. It was
 *     stored in that one, or later.
 * @typedef {object} Delivered Everything that was sent to somebody in this life of their log, up to an order, came to a device of theirs.
 * @property {number} upto
 * @property {Span[] | null | undefined} missing but not this
 * @property {number} since when the life began
 * @property {number} time when this came about
 */

/** The last things that were accepted, by id: at most `REPEATED`, of the last `REPEATED_FOR`. */
export class History {
    /**
     * @param {Accepted[]} kept
     * @param {(id: string) => void} forgotten
     */
    constructor(kept, forgotten) {
        /** @type {Map<string, Kept>} */
        this.items = new Map();
        /**
         * What was last said of people: as many as there may be items.
         *
         * @type {Map<string, Delivered>}
         */
        this.receipts = new Map();
        this.forgotten = forgotten;
        for (const item of kept) this.items.set(item.id, item);
    }

    /**
     * Something was accepted that this person, as a gateway names them, is to get.
     *
     * @param {Accepted} item
     * @param {string} recipient
     */
    keep(item, recipient) {
        const receipt = this.receipts.get(recipient);
        const kept = { ...item, life: receipt?.since };
        this.items.set(item.id, kept);
        if (receipt && covers(receipt, kept)) this.forget(item.id);
        else while (this.items.size > REPEATED) this.forget(first(this.items, byId));
    }

    /** @param {string} id */
    forget(id) {
        if (this.items.delete(id)) this.forgotten(id);
    }

    /**
     * Something came to a person. `isTheirs` tells which addresses are theirs.
     *
     * @param {string} to
     * @param {Delivered} receipt
     * @param {(address: string) => boolean} isTheirs
     */
    delivered(to, receipt, isTheirs) {
        for (const item of this.items.values()) if (isTheirs(item.to) && covers(receipt, item)) this.forget(item.id);
        this.receipts.set(to, receipt);
        if (this.receipts.size > REPEATED) this.receipts.delete(first(this.receipts, byAddress));
    }

    /**
     * Forgets what is too old, `now` being the gateway's time.
     *
     * @param {number} now
     */
    prune(now) {
        const oldest = beginning(now - REPEATED_FOR);
        for (const id of this.items.keys()) if (id < oldest) this.forget(id);
    }

    /**
     * What to repeat, oldest first.
     *
     * @param {number} now
     */
    repeats(now) {
        this.prune(now);
        return [...this.items.values()].sort((one, other) => byId(one.id, other.id));
    }
}

/**
 * @param {Delivered} receipt
 * @param {Kept} item
 */
function covers({ upto, missing, since, time }, { order, taken, stored, life }) {
    // Clocks differ, and what was stored just before the life began may be gone.
    const began = life === since ? since : since + CLOCK_SKEW;
    const reaches = order != null && order <= upto && !holds(missing, order);
    return reaches && stored >= began && taken <= time;
}
