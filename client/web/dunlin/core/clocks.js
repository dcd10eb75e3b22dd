/** What time it is: by a clock that never goes back, by the machine's, and by the gateway's. */

/** @import { Now } from "./words.js" */

/**
 * By this much more the machine's clock moves on than the steady one when the machine has slept. Far below the age at which an id is no
 * longer taken for a fresh one.
 */
const JUMP = 10_000;

/** Both clocks as they were last read, and the gateway's as it was last told. */
export class Clocks {
    /** @param {Now} now */
    constructor(now) {
        this.last = now;
        /**
         * What the gateway's clock showed at which steady time.
         *
         * @type {{ time: number, at: number } | null}
         */
        this.server = null;
        /**
         * How far this machine's clock is ahead of the gateway's; negative where it is behind.
         *
         * @type {number | null}
         */
        this.skew = null;
    }

    /**
     * Reads the clocks. Whether the steady one stood still, or the machine's was set forward: what was known of the gateway's time is no
     * longer true then.
     *
     * @param {Now} now
     */
    jumped(now) {
        const ran = Math.max(0, now.steady - this.last.steady);
        const jumped = now.wall - this.last.wall - ran >= JUMP;
        this.last = now;
        if (jumped) this.server = this.skew = null;
        return jumped;
    }

    /**
     * The gateway's clock shows `time`.
     *
     * @param {Now} now
     * @param {number} time
     */
    told(now, time) {
        this.server = { time, at: now.steady };
        this.skew = now.wall - time;
    }

    /**
     * The gateway's time, as far as it is known.
     *
     * @param {Now} now
     */
    serverTime(now) {
        return this.server && this.server.time + Math.max(0, now.steady - this.server.at);
    }
}
