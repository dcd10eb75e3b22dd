/**
 * What was accepted, came to nobody yet as far as is known, and may have to be repeated after a gap.
 *
 * A receipt names an order, and in each life of the recipient's log orders begin anew: one of another life says nothing of an item. A
 * receipt tells when the life began that it is about. No answer to a send can tell in which life it was stored, since a log that went back
 * is known for it only later; so an item is held to be of a receipt's life where that had begun before the item was stored, and where it
 * was stored before the receipt came about: a later life may have used the number again. Whatever is in doubt is repeated, which does no
 * harm.
 */

import { forgetOldest } from "./bounds.js";
import { CLOCK_SKEW } from "./clocks.js";
import { beginning } from "./ids.js";

/** @import { Accepted, ReceiptFrame } from "./words.js" */

/** Items that are repeated after a gap, and people of whom it is known what came to them, */
const REPEATED = 1_024;
/** and how far back, in ms. */
const REPEATED_FOR = 86_400_000;

/**
 * @typedef {Accepted & { life?: number | null }} Kept `life`: of what life of the recipient's log receipts told when the answer came. It was
 *     stored in that one, or later.
 */

/**
 * Whether what has this order came to no device, though something behind it did.
 *
 * @param {ReceiptFrame["missing"]} missing
 * @param {number} order
 */
export const isMissing = (missing, order) => missing?.some(({ above, upto }) => above < order && order <= upto);

/**
 * @param {any} receipt that tells its life, and what came to a device
 * @param {Kept} item
 */
function covers({ delivered, missing, since, time }, { order, taken, stored, life }) {
    // Without an order no receipt is ever about it.
    if (order == null || order > delivered || isMissing(missing, order)) return false;
    // Clocks differ, and what was stored just before the life began may be gone.
    return stored >= since + (life === since ? 0 : CLOCK_SKEW) && taken <= time;
}

/**
 * The last things that were accepted, the oldest first: at most `REPEATED`, of the last `REPEATED_FOR`.
 *
 * @param {Accepted[]} accepted what was accepted before
 * @param {(id: string) => void} forgotten
 */
export function createHistory(accepted, forgotten) {
    /** @type {Map<string, Kept>} */
    const items = new Map(accepted.map(item => [item.id, item]));
    /**
     * What was last said of people.
     *
     * @type {Map<string, ReceiptFrame>}
     */
    const receipts = new Map();

    /** @param {string} id */
    function forget(id) {
        if (items.delete(id)) forgotten(id);
    }

    return {
        forget,

        /**
         * Something was accepted that this person, as a gateway names them, is to get.
         *
         * @param {Accepted} item
         * @param {string} recipient
         */
        keep(item, recipient) {
            const receipt = receipts.get(recipient);
            const kept = { ...item, life: receipt?.since };
            items.set(item.id, kept);
            if (receipt && covers(receipt, kept)) forget(item.id);
            const [oldest] = items.keys();
            if (items.size > REPEATED) forget(oldest);
        },

        /**
         * Something came to a person. `isTheirs` tells which addresses are theirs.
         *
         * @param {ReceiptFrame} receipt
         * @param {(address: string) => boolean} isTheirs
         */
        delivered(receipt, isTheirs) {
            if (receipt.delivered == null || receipt.since == null) return;
            for (const item of items.values()) if (isTheirs(item.to) && covers(receipt, item)) forget(item.id);
            receipts.set(receipt.to, receipt);
            forgetOldest(receipts, REPEATED);
        },

        /**
         * What to repeat. What is too old is forgotten, `now` being the gateway's time.
         *
         * @param {number} now
         */
        repeats(now) {
            const oldest = beginning(now - REPEATED_FOR);
            for (const id of items.keys()) if (id < oldest) forget(id);
            return [...items.values()];
        },
    };
}
