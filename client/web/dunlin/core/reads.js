/** What the user has read: said until it is stored, over as many connections as that takes. */

import { isSame } from "./address.js";
import { byAddress, earliest, first } from "./order.js";

/** Conversations of which something is to be said. Above it that which comes first is let go: its mark rises with the next one. */
const CONVERSATIONS = 1_024;
/** When a `read` without an answer is said again: twice as long each time. */
const AGAIN = 2_000;
const AGAIN_DOUBLES = 5;
/** How often it is said in all: the gateway may have refused it for good, which says nothing of which it was. */
const SAID = 32;

/**
 * @typedef {object} Pending
 * @property {number} upto
 * @property {number} said how often it was said
 * @property {number} next
 * @property {number | null} below what was stored below it since it was said
 */

/** What is said, and not known to be stored. */
export class Reads {
    constructor() {
        /** @type {Map<string, Pending>} */
        this.pending = new Map();
        /**
         * What is stored, as far as this connection was told: nothing comes of a `read` at or below it.
         *
         * @type {Map<string, number>}
         */
        this.known = new Map();
    }

    /**
     * The user has read a conversation up to here.
     *
     * @param {string} address
     * @param {number} upto
     */
    read(address, upto) {
        if ([...this.known].some(([known, read]) => read >= upto && isSame(known, address))) return;
        if (upto > (this.pending.get(address)?.upto ?? -1)) put(this.pending, address, { upto, said: 0, next: 0, below: null });
    }

    /**
     * A new connection: the last one may have ended before anything was stored.
     *
     * @param {number} now
     */
    connected(now) {
        this.known.clear();
        for (const pending of this.pending.values()) pending.next = now;
    }

    /**
     * What is to be said now.
     *
     * @param {number} now
     * @param {(address: string, upto: number) => void} say
     */
    pump(now, say) {
        const due = [...this.pending].filter(([, { next }]) => next <= now);
        for (const [address, pending] of due.sort(([one], [other]) => byAddress(one, other))) {
            if (pending.said === SAID) {
                this.pending.delete(address);
                continue;
            }
            say(address, pending.upto);
            pending.next = now + AGAIN * 2 ** Math.min(pending.said, AGAIN_DOUBLES);
            pending.said += 1;
        }
    }

    get nextDeadline() {
        return earliest([...this.pending.values()].map(({ next }) => next));
    }

    /**
     * A mark is stored. What lies beyond the last order is stored as that: the same answer to two of them says so.
     *
     * @param {string} address
     * @param {number} read
     */
    marked(address, read) {
        put(this.known, address, read);
        for (const [other, pending] of this.pending) {
            if (!isSame(other, address)) continue;
            const isLast = pending.said > 1 && pending.below === read;
            pending.below = read;
            if (read >= pending.upto || isLast) this.pending.delete(other);
        }
    }
}

/**
 * Puts something into a map that has only so many.
 *
 * @template T
 * @param {Map<string, T>} map
 * @param {string} address
 * @param {T} value
 */
function put(map, address, value) {
    if (map.size === CONVERSATIONS && !map.has(address)) map.delete(first(map, byAddress));
    map.set(address, value);
}
