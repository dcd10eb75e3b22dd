/** What was handed over to be sent and is not known to be delivered: one record of the outbox each. */

/** @import { Draft } from "./host.js" */
/** @import { Accepted, Stored } from "./core/words.js" */
/** @import { Kept } from "./store/kept.js" */

/** Keys of what was forgotten that are remembered. */
const REMEMBERED = 4_096;

/**
 * A record of the outbox. With `accepted` it is kept for repeats, with `error` for whoever tries it again.
 *
 * @typedef {Draft & { accepted?: Stored }} Item
 */

/** @param {Kept} kept */
export function createItems(kept) {
    /** @type {Map<string, Item>} */
    const items = new Map();
    /** What was handed over before any user was welcomed. @type {Set<string>} */
    const fresh = new Set();
    /** What was forgotten: a tab that has not heard of that says it again. @type {Set<string>} */
    const gone = new Set();
    let isWelcomed = false;

    const all = () => [...items.values()];

    /** @param {Item} item */
    function put(item) {
        items.set(item.key, item);
        return item;
    }

    /** @param {string} key */
    function forget(key) {
        items.delete(key);
        fresh.delete(key);
        gone.add(key);
        const [oldest] = gone;
        if (gone.size > REMEMBERED) gone.delete(oldest);
    }

    return {
        all,
        put,
        forget,
        /** @param {string | undefined} key */
        get: key => items.get(key ?? ""),
        /** @param {string} id */
        withId: id => all().find(item => item.id === id),
        /** A gateway has said who the user is. */
        welcome: () => void (isWelcomed = true),

        /** Another user is there: what is that one's, or nobody's yet, stays. */
        forgetOld() {
            for (const key of items.keys()) if (!fresh.has(key)) forget(key);
        },

        /**
         * Takes what a tab wants to have sent; it may say so again and again, not knowing what became of it. What the store had and has no
         * more is over.
         *
         * @param {Draft} draft
         * @param {boolean} isKept whether that tab has stored it
         * @returns {Promise<"new" | "known" | "gone">}
         */
        async adopt(draft, isKept) {
            const { key } = draft;
            if (items.has(key)) return "known";
            if (gone.has(key) || (isKept && kept.lasts() && !(await kept.read("outbox", key, `${key}\0`)).length)) return "gone";
            if (items.has(key)) return "known";
            put(draft);
            if (!isWelcomed) fresh.add(key);
            return "new";
        },

        /**
         * What may have to be repeated after a gap.
         *
         * @returns {Accepted[]}
         */
        accepted: () =>
            all().flatMap(({ to, content, accepted }) => {
                if (!accepted) return [];
                const { id, order, time } = accepted;
                return [{ id, to, content, order, taken: time, stored: time }];
            }),
    };
}
