/** Ids that rise, in the server's time: ULIDs, whose texts sort as they do. */

import { CLOCK_SKEW } from "./clocks.js";

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * The last digits of a number.
 *
 * @param {number} number
 * @param {number} count
 */
function digits(number, count) {
    let text = "";
    for (; text.length < count; number /= 32) text = DIGITS[Math.floor(number) % 32] + text;
    return text;
}

/**
 * How ids of this time begin.
 *
 * @param {number} time
 */
export const beginning = time => digits(Math.max(0, time), 10);

/**
 * The next id.
 *
 * @param {string} id
 */
const after = id => id.replace(/.Z*$/, end => DIGITS[DIGITS.indexOf(end[0]) + 1].padEnd(end.length, "0"));

/**
 * Makes ids: each is above the one before.
 *
 * @param {() => number} random from 0 up to 1
 */
export function createIds(random) {
    let last = "";

    return {
        /**
         * A gateway's clock shows `time`. After a clock that was far ahead, ids that go on from there would be refused for hours.
         *
         * @param {number} time
         */
        corrected(time) {
            if (last >= beginning(time + CLOCK_SKEW / 2)) last = "";
        },

        /**
         * An id was given before: the next ones are above it.
         *
         * @param {string} id
         */
        given(id) {
            if (id > last) last = id;
        },

        /**
         * The next id at `time`. An id of the same millisecond is the last one + 1.
         *
         * @param {number} time
         */
        next(time) {
            const start = beginning(time);
            if (last >= start) return (last = after(last));
            return (last = start + digits(random() * 2 ** 40, 8) + digits(random() * 2 ** 40, 8));
        },
    };
}
