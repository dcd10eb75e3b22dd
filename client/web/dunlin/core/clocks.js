/** What time it is: by a clock that never goes back, by the machine's, and by the gateway's. */

/** @import { Now } from "./words.js" */

/** How far clocks may differ. */
export const CLOCK_SKEW = 30_000;

/**
 * By this much more the machine's clock moves on than the steady one when the machine has slept. Far below the age at which an id is no
 * longer taken for a fresh one.
 */
const JUMP = 10_000;

/**
 * The earliest of some times; `Infinity` of none.
 *
 * @param {number[]} times
 */
export const earliest = times => times.reduce((one, other) => Math.min(one, other), Infinity);

/**
 * Both clocks as they were last read, and the gateway's as it was last told.
 *
 * @param {Now} last
 */
export function createClocks(last) {
    /**
     * What the gateway's clock showed at which steady time.
     *
     * @type {{ time: number, at: number } | null}
     */
    let server = null;

    return {
        /**
         * Reads the clocks. Whether the steady one stood still, or the machine's was set forward: what was known of the gateway's time is
         * no longer true then.
         *
         * @param {Now} now
         */
        jumped(now) {
            const jumped = now.wall - last.wall - Math.max(0, now.steady - last.steady) >= JUMP;
            last = now;
            if (jumped) server = null;
            return jumped;
        },

        /**
         * The gateway's clock shows `time`.
         *
         * @param {number} time
         */
        told(time) {
            server = { time, at: last.steady };
        },

        /** The gateway's time when the clocks were last read, as far as it is known. */
        serverTime: () => server && server.time + Math.max(0, last.steady - server.at),
    };
}
