/** What a client keeps: in its store, and from the moment on at which that fails in memory, with everything that it held. */

/** @import { Change, Store, Table } from "./memory.js" */

import { MemoryStore, TABLES } from "./memory.js";

/** What a client holds anyway; entries are many. */
const HELD = TABLES.filter(table => table !== "entries");

export class Kept {
    /**
     * @param {Store} store
     * @param {(why: Error, inMemory: boolean) => void} failed
     */
    constructor(store, failed) {
        /** @type {Store | undefined} */
        this.store = store;
        this.memory = new MemoryStore();
        this.failed = failed;
        store.lost = why => this.fail(why);
    }

    /** @param {unknown} why */
    fail(why) {
        if (!this.store) return;
        this.store.close();
        this.store = undefined;
        this.failed(why instanceof Error ? why : new Error(String(why)), true);
    }

    /**
     * What the store can do, or what memory can instead once it fails.
     *
     * @template T
     * @param {(store: Store) => Promise<T>} act
     * @returns {Promise<T>}
     */
    async try(act) {
        if (this.store) {
            try {
                return await act(this.store);
            } catch (error) {
                this.fail(error);
            }
        }
        return act(this.memory);
    }

    /** Reads what is held. */
    async load() {
        for (const table of HELD) {
            for (const [key, value] of await this.read(table)) await this.memory.write([[table, key, value]]);
        }
    }

    /**
     * What is held of a table, by its keys in rising order.
     *
     * @param {Table} table
     * @returns {[string, any][]}
     */
    held(table) {
        return [...this.memory.tables.get(table) ?? []].sort(([one], [other]) => (one < other ? -1 : 1));
    }

    /**
     * @param {Table} table
     * @param {string} [low]
     * @param {string} [high]
     * @param {number} [limit]
     */
    read(table, low, high, limit) {
        return this.try(store => store.read(table, low, high, limit));
    }

    /**
     * Forgets entries with older ids.
     *
     * @param {string} oldest
     */
    async prune(oldest) {
        const keys = await this.try(store => store.keys("entries"));
        const old = keys.filter(key => key.split("/")[1] < oldest);
        if (old.length) await this.write(old.map(key => ["entries", key, undefined]));
    }

    /** @param {readonly Change[]} changes */
    async write(changes) {
        const held = changes.filter(([table]) => table !== "entries");
        void this.memory.write(held);
        // Of several changes of one key the last one counts.
        const last = [...new Map(changes.map(change => [change[0] + change[1], change])).values()];
        await this.try(async store => {
            try {
                await store.write(last);
            } catch (error) {
                // Gateways keep history, too; what is unsent is here alone.
                if (/** @type {Error} */ (error).name !== "QuotaExceededError") throw error;
                await store.clear("entries");
                await store.write(last);
                this.failed(/** @type {Error} */ (error), false);
            }
        });
    }

    /** Forgets everything of the one user, for another one. */
    async clear() {
        await this.memory.clear();
        await this.try(store => store.clear());
    }

    async erase() {
        await this.memory.clear();
        await this.try(store => store.erase());
        this.store = undefined;
    }

    close() {
        this.store?.close();
        this.store = undefined;
    }
}
