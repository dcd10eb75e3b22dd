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

export class Items {
    /** @type {Map<string, Item>} */
    #items = new Map();
    /** @type {Map<string, string>} */
    #keys = new Map();
    /** What was handed over before any user was welcomed. @type {Set<string>} */
    #fresh = new Set();
    /** Whether a gateway has said since the page began who the user is. */
    isWelcomed = false;
    /** What was forgotten: a tab that has not heard of that says it again. @type {Set<string>} */
    #gone = new Set();

    /** @param {Kept} kept */
    constructor(kept) {
        this.kept = kept;
    }

    /** Takes what is kept. */
    load() {
        for (const [, item] of this.kept.held("outbox")) this.put(item);
    }

    /** @param {string} key */
    get(key) {
        return this.#items.get(key);
    }

    /** @param {string} id */
    keyOf(id) {
        return this.#keys.get(id);
    }

    /** @param {Item} item */
    put(item) {
        this.#items.set(item.key, item);
        if (item.id) this.#keys.set(item.id, item.key);
        return item;
    }

    /** @param {string} key */
    forget(key) {
        this.#keys.delete(this.#items.get(key)?.id ?? "");
        this.#items.delete(key);
        this.#fresh.delete(key);
        this.#gone.add(key);
        const [oldest] = this.#gone;
        if (this.#gone.size > REMEMBERED) this.#gone.delete(oldest);
    }

    /** Another user is there: what is that one's, or nobody's yet, stays. */
    forgetOld() {
        for (const key of this.#items.keys()) if (!this.#fresh.has(key)) this.forget(key);
    }

    /**
     * Takes what a tab wants to have sent; it may say so again and again, not knowing what became of it. What the store had and has no more
     * is over.
     *
     * @param {Draft} draft
     * @param {boolean} isKept whether that tab has stored it
     * @returns {Promise<"new" | "known" | "gone">}
     */
    async adopt(draft, isKept) {
        const { key } = draft;
        if (this.#items.has(key)) return "known";
        if (this.#gone.has(key)) return "gone";
        if (isKept && this.kept.store && !(await this.kept.read("outbox", key, `${key}\0`)).length) return "gone";
        if (this.#items.has(key)) return "known";
        this.put(draft);
        if (!this.isWelcomed) this.#fresh.add(key);
        return "new";
    }

    get all() {
        return [...this.#items.values()];
    }

    /** What has to be sent, in its order. */
    get unsent() {
        return this.all.filter(({ accepted, error }) => !accepted && !error);
    }

    /**
     * What may have to be repeated after a gap.
     *
     * @returns {Accepted[]}
     */
    get accepted() {
        return this.all.flatMap(({ to, content, accepted }) => {
            if (!accepted) return [];
            const { id, order, time } = accepted;
            return [{ id, to, content, order, taken: time, stored: time }];
        });
    }
}
