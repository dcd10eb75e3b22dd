/** Ids that rise, in the server's time: ULIDs, whose texts sort as they do. */

import { CLOCK_SKEW } from "./limits.js";

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** The last time that an id can carry. */
const LAST = 2 ** 48 - 1;

/**
 * How ids of this time begin. The last time that an id can carry stands for all later ones.
 *
 * @param {number} time
 */
export function beginning(time) {
    let text = "";
    for (let rest = Math.min(LAST, Math.max(0, Math.floor(time))); text.length < 10; rest = Math.floor(rest / 32)) {
        text = DIGITS[rest % 32] + text;
    }
    return text;
}

/**
 * The next id; the first one after the last.
 *
 * @param {string} id
 */
function after(id) {
    const [, head, digit, tail] = /** @type {RegExpExecArray} */ (/^(.*?)([^Z]?)(Z*)$/.exec(id));
    const next = head + (DIGITS[DIGITS.indexOf(digit) + 1] ?? "") + tail.replace(/Z/g, "0");
    return next < "8" ? next : "0".repeat(26);
}

/**
 * Whether a text is an id in its canonical form.
 *
 * @param {unknown} text
 */
export const isId = text => typeof text === "string" && /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text);

/** Makes ids: each is above the one before. */
export class Ids {
    constructor() {
        this.last = "";
    }

    /**
     * A gateway's clock shows `time`. After a clock that was far ahead, ids that go on from there would be refused for hours.
     *
     * @param {number} time
     */
    corrected(time) {
        if (this.last >= beginning(time + CLOCK_SKEW / 2)) this.last = "";
    }

    /**
     * An id was given before: the next ones are above it.
     *
     * @param {string} id
     */
    given(id) {
        if (id > this.last) this.last = id;
    }

    /**
     * The next id at `time`. An id of the same millisecond is the last one + 1.
     *
     * @param {number} time
     * @param {() => number} random from 0 up to 1
     */
    next(time, random) {
        const start = beginning(time);
        if (this.last >= start) this.last = after(this.last);
        else this.last = start + Array.from({ length: 16 }, () => DIGITS[Math.floor(random() * 32)]).join("");
        return this.last;
    }
}
