/** What a client keeps: in its store, and from the moment on at which that fails in memory, with everything that it held. */

/** @import { Change, Store, Table } from "./memory.js" */
/** @typedef {ReturnType<typeof createKept>} Kept */

import { beginning } from "../core/ids.js";
import { MemoryStore, TABLES } from "./memory.js";

/**
 * @param {Store} given
 * @param {(why: Error, inMemory: boolean) => void} failed
 */
export function createKept(given, failed) {
    /** @type {Store | undefined} */
    let store = given;
    /** What is held anyway: all but entries, which are many. */
    const memory = new MemoryStore();

    /** Who waits for the store. @type {Set<(why: any) => void>} */
    const waiting = new Set();

    /** @param {any} why */
    function fail(why) {
        if (!store) return;
        close();
        // A database that goes while it is asked may never answer.
        for (const reject of waiting) reject(why);
        failed(why, true);
    }

    function close() {
        store?.close();
        store = undefined;
    }

    /**
     * What the store can do, or what memory can instead once it fails.
     *
     * @template T
     * @param {(store: Store) => Promise<T>} act
     * @returns {Promise<T>}
     */
    async function attempt(act) {
        const asked = store;
        if (asked) {
            /** @type {(why: any) => void} */
            let leave = () => {};
            try {
                return await new Promise((resolve, reject) => {
                    waiting.add((leave = reject));
                    act(asked).then(resolve, reject);
                });
            } catch (error) {
                fail(error);
            } finally {
                waiting.delete(leave);
            }
        }
        return act(memory);
    }

    /**
     * What stands under keys that begin so, the highest first.
     *
     * @param {Table} table
     * @param {string} [prefix]
     * @param {number} [limit]
     */
    const read = (table, prefix = "", limit) => attempt(store => store.read(table, prefix, `${prefix}\uffff`, limit));

    /** @param {Table} table */
    const keys = table => attempt(store => store.keys(table));

    /**
     * Whether it is written: not where it is one leader's, and another one leads.
     *
     * @param {readonly Change[]} changes
     * @param {number} [reign]
     */
    async function write(changes, reign) {
        // Of several changes of one key the last one counts.
        const last = [...new Map(changes.map(change => [change[0] + change[1], change])).values()];
        const isWritten = await attempt(async asked => {
            try {
                return await asked.write(last, reign);
            } catch (/** @type {any} */ error) {
                // Gateways keep history, too; what is unsent is here alone.
                if (error.name !== "QuotaExceededError") throw error;
                await asked.clear("entries");
                // Another write may have found since that there is no room even so.
                failed(error, !store);
                return asked.write(last, reign);
            }
        });
        if (isWritten === false) return false;
        void memory.write(last.filter(([table]) => table !== "entries"));
        return true;
    }

    /** Reads what is held, in the place of what this tab has written: another one may have forgotten that since. */
    async function load() {
        /** @type {Change[]} */
        const all = [];
        for (const table of TABLES) {
            if (table === "entries") continue;
            for (const [key, value] of await read(table)) all.push([table, key, value]);
        }
        await memory.clear();
        await memory.write(all);
    }

    given.lost = fail;

    return {
        read,
        keys,
        write,
        close,
        /** Whether what is kept outlives the page. */
        lasts: () => !!store,

        /**
         * Begins to lead, with what whoever led before has written: that one writes nothing any more. In which reign, above one that was
         * heard of.
         *
         * @param {number} heard
         */
        async lead(heard) {
            for (;;) {
                const [last] = await read("meta", "reign");
                const before = last?.[1] ?? 0;
                const reign = Math.max(before, heard) + 1;
                if (!(await write([["meta", "reign", reign]], before))) continue;
                await load();
                return reign;
            }
        },

        /**
         * What is held of a table, by its keys in rising order.
         *
         * @param {Table} table
         * @returns {[string, any][]}
         */
        held: table => memory.sorted(table),

        /**
         * Forgets entries of before this time, and receipts.
         *
         * @param {number} oldest
         */
        async prune(oldest) {
            /** @type {Change[]} */
            const old = [];
            for (const key of await keys("entries")) if (key.split("/")[1] < beginning(oldest)) old.push(["entries", key]);
            for (const [key, { time }] of memory.sorted("receipts")) if (time < oldest) old.push(["receipts", key]);
            if (old.length) await write(old);
        },

        /** Forgets everything of the one user, for another one. */
        async clear() {
            await memory.clear();
            await attempt(store => store.clear());
        },

        async erase() {
            await memory.clear();
            await attempt(store => store.erase());
            close();
        },
    };
}
