/** Clocks, and one alarm on them. */

/** A browser takes more for nothing, and fires at once. */
const MOST = 2 ** 31 - 1;

/** @returns {import("./core/words.js").Now} */
export const now = () => ({ steady: performance.now(), wall: Date.now() });

/** Fires once at a time of the steady clock, however far that is. */
export class Timer {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #waits;
    #fire;

    /** @param {() => void} fire */
    constructor(fire) {
        this.#fire = fire;
    }

    /** @param {number | null} at instead of what was set before */
    set(at) {
        clearTimeout(this.#waits);
        if (at === null) return;
        const left = Math.max(0, Math.ceil(at - performance.now()));
        this.#waits = setTimeout(() => (left > MOST ? this.set(at) : this.#fire()), Math.min(left, MOST));
    }
}
