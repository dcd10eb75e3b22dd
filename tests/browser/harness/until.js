// Waiting for a condition, with a deadline and with words when it passes.

import { inspect } from "node:util";

/** How long a condition may take where nobody says: long, since only a failure waits for it, and a machine may be busy with much else. */
export const WITHIN = 120_000;
const EVERY = 50;

/**
 * What `probe` gives, once `holds` says so. A probe that throws is tried again: a page may just be loading.
 *
 * @template T
 * @param {string} what is waited for
 * @param {() => T | Promise<T>} probe
 * @param {(seen: T) => unknown} holds
 * @param {number} within ms
 * @returns {Promise<T>}
 */
export async function until(what, probe, holds = Boolean, within = WITHIN) {
    const deadline = performance.now() + within;
    /** @type {unknown} */
    let last;
    do {
        try {
            const seen = await probe();
            if (holds(seen)) return seen;
            last = seen;
        } catch (error) {
            last = error;
        }
        await new Promise((resolve) => setTimeout(resolve, EVERY));
    } while (performance.now() < deadline);
    throw new Error(`${what}: not within ${within} ms. Last seen: ${inspect(last, { depth: 6, breakLength: 140, maxArrayLength: 30 })}`);
}
