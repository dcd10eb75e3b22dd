/** A store for as long as the page lives. */

/**
 * Something to write: a table, a key, and the value; without one it is deleted.
 *
 * @typedef {readonly [table: Table, key: string, value?: any]} Change
 */

/** @typedef {typeof TABLES[number]} Table */

/**
 * Where a client keeps what must outlive it. An application may bring its own. All of a `write` is kept, or it rejects and nothing is.
 *
 * @typedef {object} Store
 * @property {(table: Table, low?: string, high?: string, limit?: number) => Promise<[string, any][]>} read Keys and their values from `low`
 *   up to below `high`, the highest first.
 * @property {(table: Table) => Promise<string[]>} keys
 * @property {(changes: readonly Change[], reign?: number) => Promise<boolean | void>} write Where tabs share it: only in this reign, which
 *   `meta` names; whether it was.
 * @property {(table?: Table) => Promise<void>} clear One table, or all.
 * @property {() => Promise<void>} erase Leaves no trace; the store is not used again.
 * @property {() => void} close
 * @property {(why: Error) => void} [lost] Set by the client, which closes it then: to be called when nothing can be kept any more.
 */

/**
 * What is kept: who and which device this is (`meta`); where to resume each log; what is sent and not known to be delivered; entries, by
 * peer, id and author; the last receipts, by peer and life of their log; how far each conversation is read.
 */
export const TABLES = /** @type {const} */ (["meta", "cursors", "outbox", "entries", "receipts", "marks"]);

/** @implements {Store} */
export class MemoryStore {
    /** @type {Record<string, Map<string, any>>} */
    tables = Object.fromEntries(TABLES.map(table => [table, new Map()]));

    /**
     * @param {Table} table
     * @param {string} [low]
     * @param {string} [high]
     * @param {number} [limit]
     */
    async read(table, low = "", high = "\uffff", limit) {
        return this.sorted(table).reverse().filter(([key]) => low <= key && key < high).slice(0, limit);
    }

    /**
     * @param {Table} table
     * @returns {[string, any][]}
     */
    sorted(table) {
        return [...this.tables[table]].sort(([one], [other]) => (one < other ? -1 : 1));
    }

    /** @param {Table} table */
    async keys(table) {
        return [...this.tables[table].keys()];
    }

    /** @param {readonly Change[]} changes */
    async write(changes) {
        for (const [name, key, value] of changes) {
            if (value === undefined) this.tables[name].delete(key);
            else this.tables[name].set(key, value);
        }
    }

    /** @param {Table} [only] */
    async clear(only) {
        (only ? [only] : TABLES).forEach(name => this.tables[name].clear());
    }

    erase() {
        return this.clear();
    }

    close() {}
}
