/**
 * How far what one has said has come, in each life of the peer's log: in each of them orders begin anew, and so do marks. In a group, how
 * many have each message.
 */

/** @import { ReceiptFrame } from "../core/words.js" */
/** @import { Receipts, State } from "./message.js" */

import { forgetOldest, under } from "../core/bounds.js";
import { CLOCK_SKEW } from "../core/clocks.js";
import { isMissing } from "../core/history.js";

/** Lives that are told apart: what only older ones had shown is not known any more. */
const LIVES = 8;
/** Messages of a group that are told apart. */
const COUNTED = 2_000;

/** @typedef {{ time: number, delivered: number, read: number, missing?: ReceiptFrame["missing"] }} Life */

export function createMarks() {
    /** By when they began. @type {Map<unknown, Life>} */
    const lives = new Map();
    /** By order. @type {Map<number, { time: number, counts: Readonly<Receipts> }>} */
    const counted = new Map();

    /**
     * How many have the message of a group that was accepted at `at` with this order; not another one that had it before a loss.
     *
     * @param {number} order
     * @param {number} at
     */
    function countedOf(order, at) {
        const { time = 0, counts } = counted.get(order) ?? {};
        return at <= time + CLOCK_SKEW ? counts : undefined;
    }

    return {
        counted: countedOf,

        /**
         * Takes what is told of a life; what is lower than what was told of it before changes nothing.
         *
         * @param {ReceiptFrame} receipt
         */
        raise({ order, since, time, delivered, read, of, missing }) {
            const has = delivered ?? 0;
            const knows = read ?? 0;
            if (order != null) {
                if (time < (counted.get(order)?.time ?? 0)) return;
                counted.set(order, { time, counts: Object.freeze({ delivered: has, read: knows, of: of ?? 0 }) });
                return forgetOldest(counted, COUNTED);
            }
            const life = under(lives, since, () => /** @type {Life} */ ({ time: 0, delivered: 0, read: 0 }));
            forgetOldest(lives, LIVES);
            const reached = Math.max(has, knows);
            if (reached >= life.delivered) {
                life.delivered = reached;
                life.missing = missing;
            }
            life.read = Math.max(life.read, knows);
            life.time = Math.max(life.time, time);
        },

        /**
         * How far the message has come that was accepted at `at` with this order. Marks that last rose before, by more than clocks differ,
         * are of another message that had the same order in an earlier life.
         *
         * @param {number} order
         * @param {number} at
         * @returns {State}
         */
        reached(order, at) {
            /** @type {State} */
            let furthest = "sent";
            const { delivered: have, read: know, of: all } = countedOf(order, at) ?? {};
            if (all) return know === all ? "read" : have === all ? "delivered" : furthest;
            for (const { time, delivered, read, missing } of lives.values()) {
                if (at > time + CLOCK_SKEW || isMissing(missing, order)) continue;
                if (order <= read) return "read";
                if (order <= delivered) furthest = "delivered";
            }
            return furthest;
        },
    };
}
