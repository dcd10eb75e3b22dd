/** Clocks, and one alarm on them. */

/** A browser takes more for nothing, and fires at once. */
const MOST = 2 ** 31 - 1;

/** @returns {import("./core/words.js").Now} */
export const now = () => ({ steady: performance.now(), wall: Date.now() });

/**
 * What sets an alarm to a time of the steady clock, however far that is, instead of what was set before; to none, for `null`.
 *
 * @param {() => void} fire
 */
export function createTimer(fire) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let waits;
    /** @param {number | null} at */
    const set = at => {
        clearTimeout(waits);
        if (at === null) return;
        const left = at - performance.now();
        waits = setTimeout(() => (left > MOST ? set(at) : fire()), Math.min(left, MOST));
    };
    return set;
}
