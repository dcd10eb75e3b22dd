/** What was handed over to be sent and is not known to be delivered: one record of the outbox each. */

/** @import { Draft } from "./host.js" */
/** @import { Accepted } from "./core/words.js" */
/** @import { Kept } from "./store/kept.js" */

import { forgetOldest } from "./core/bounds.js";

/** Keys of what was forgotten that are remembered. */
const REMEMBERED = 4_096;

/**
 * A record of the outbox. With `accepted` it is kept for repeats, with `error` for whoever tries it again.
 *
 * @typedef {Draft} Item
 */

/** @param {Kept} kept */
export function createItems(kept) {
    /** @type {Map<string, Item>} */
    const items = new Map();
    /** What was forgotten: a tab that has not heard of that says it again. @type {Set<string>} */
    const gone = new Set();

    const all = () => [...items.values()];

    /** @param {Item} item */
    function put(item) {
        items.set(item.key, item);
        return item;
    }

    /** @param {string} key */
    function forget(key) {
        items.delete(key);
        gone.add(key);
        forgetOldest(gone, REMEMBERED);
    }

    return {
        all,
        put,
        forget,
        /** @param {any} key */
        get: key => items.get(key),
        /** @param {string} id */
        withId: id => all().find(item => item.id === id),
        clear: () => items.clear(),

        /**
         * Whether a tab wants to have something sent that is over: it may say so again and again, not knowing what became of it. What the
         * store had and has no more is over.
         *
         * @param {string} key
         * @param {boolean} isKept whether that tab has stored it
         */
        isGone: async (key, isKept) =>
            gone.has(key) || (isKept && kept.lasts() && !(await kept.read("outbox", key)).length),

        /**
         * What may have to be repeated after a gap.
         *
         * @returns {Accepted[]}
         */
        accepted: () =>
            all().flatMap(({ to, content, accepted }) =>
                accepted ? [{ ...accepted, to, content, taken: accepted.time, stored: accepted.time }] : [],
            ),
    };
}
