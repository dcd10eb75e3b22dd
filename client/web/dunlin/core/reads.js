/** What the user has read: said until it is stored, over as many connections as that takes. */

/** @import { Output } from "./words.js" */

import { isSame } from "./address.js";
import { forgetOldest } from "./bounds.js";

/** Conversations of which something is to be said. Above it the oldest is let go: its mark rises with the next one. */
const CONVERSATIONS = 1_024;
/** When a `read` without an answer is said again: twice as long each time, up to `AGAIN_MOST`. */
const AGAIN = 2_000;
const AGAIN_MOST = 64_000;
/** How often it is said in all: the gateway may have refused it for good, which says nothing of which it was. */
const SAID = 32;

/**
 * @typedef {object} Pending
 * @property {number} upto
 * @property {number} said How often it was said.
 * @property {number} next
 * @property {number | null} below What was stored below it since it was said.
 */

/**
 * What is said, and not known to be stored.
 *
 * @param {(output: Output) => void} say
 */
export function createReads(say) {
    /** @type {Map<string, Pending>} */
    const pending = new Map();
    /**
     * What is stored, as far as this connection was told: nothing comes of a `read` at or below it.
     *
     * @type {Map<string, number>}
     */
    const known = new Map();

    return {
        /**
         * The user has read a conversation up to here.
         *
         * @param {string} address
         * @param {number} upto
         */
        read(address, upto) {
            if ([...known].some(([other, read]) => read >= upto && isSame(other, address))) return;
            if (/** @type {any} */ (pending.get(address)?.upto) >= upto) return;
            pending.set(address, { upto, said: 0, next: 0, below: null });
            forgetOldest(pending, CONVERSATIONS);
        },

        /**
         * A new connection: the last one may have ended before anything was stored.
         *
         * @param {number} now
         */
        connected(now) {
            known.clear();
            pending.forEach(its => (its.next = now));
        },

        /**
         * What is to be said now.
         *
         * @param {number} now
         */
        pump(now) {
            for (const [address, its] of pending) {
                if (its.next > now) continue;
                its.next = now + Math.min(AGAIN_MOST, AGAIN * 2 ** its.said);
                its.said += 1;
                if (its.said > SAID) pending.delete(address);
                else say({ kind: "write", frame: { read: { with: address, upto: its.upto } } });
            }
        },

        deadlines: () => [...pending.values()].map(({ next }) => next),

        /**
         * A mark is stored. What lies beyond the last order is stored as that: the same answer to two of them says so.
         *
         * @param {string} address
         * @param {number} read
         */
        marked(address, read) {
            known.set(address, read);
            forgetOldest(known, CONVERSATIONS);
            for (const [other, its] of pending) {
                if (!isSame(other, address)) continue;
                if (read >= its.upto || (its.said > 1 && its.below === read)) pending.delete(other);
                its.below = read;
            }
        },
    };
}
