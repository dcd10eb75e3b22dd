/** What the user has read: said until it is stored, over as many connections as that takes. */

import { isSame } from "./address.js";
import { earliest } from "./clocks.js";

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
 * Puts something into a map that has only so many.
 *
 * @template T
 * @param {Map<string, T>} map
 * @param {string} address
 * @param {T} value
 */
function put(map, address, value) {
    const [oldest] = map.keys();
    if (map.size === CONVERSATIONS && !map.has(address)) map.delete(oldest);
    map.set(address, value);
}

/** What is said, and not known to be stored. */
export function createReads() {
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
            if (upto > (pending.get(address)?.upto ?? -1)) put(pending, address, { upto, said: 0, next: 0, below: null });
        },

        /**
         * A new connection: the last one may have ended before anything was stored.
         *
         * @param {number} now
         */
        connected(now) {
            known.clear();
            for (const its of pending.values()) its.next = now;
        },

        /**
         * What is to be said now.
         *
         * @param {number} now
         * @param {(address: string, upto: number) => void} say
         */
        pump(now, say) {
            for (const [address, its] of pending) {
                if (its.next > now) continue;
                its.next = now + Math.min(AGAIN_MOST, AGAIN * 2 ** its.said);
                its.said += 1;
                if (its.said > SAID) pending.delete(address);
                else say(address, its.upto);
            }
        },

        nextDeadline: () => earliest([...pending.values()].map(({ next }) => next)),

        /**
         * A mark is stored. What lies beyond the last order is stored as that: the same answer to two of them says so.
         *
         * @param {string} address
         * @param {number} read
         */
        marked(address, read) {
            put(known, address, read);
            for (const [other, its] of pending) {
                if (!isSame(other, address)) continue;
                if (read >= its.upto || (its.said > 1 && its.below === read)) pending.delete(other);
                its.below = read;
            }
        },
    };
}
