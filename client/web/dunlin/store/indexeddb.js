/** The browser's own database, one for each account: it outlives the page. */

/** @import { Change, Store, Table } from "./memory.js" */

import { TABLES } from "./memory.js";

/** Readers come before writers: a later release that needs more raises it, and this one says that it can't read that. */
const VERSION = 1;

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const settled = request =>
    new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });

/** @implements {Store} */
export class IndexedDbStore {
    /** @param {string | Promise<string>} name of the database */
    constructor(name) {
        this.name = name;
        /** @type {Promise<IDBDatabase> | undefined} */
        this.opened = undefined;
        /** @type {((why: Error) => void) | undefined} */
        this.lost = undefined;
    }

    open() {
        return (this.opened ??= this.openNamed());
    }

    /** @returns {Promise<IDBDatabase>} */
    async openNamed() {
        const request = indexedDB.open(await this.name, VERSION);
        request.onupgradeneeded = () => TABLES.forEach(table => request.result.createObjectStore(table));
        const database = await settled(request);
        // Whoever deletes it, or upgrades it, waits for this one to let go.
        database.onversionchange = () => this.lost?.(new Error("the database is deleted or upgraded"));
        database.onclose = () => this.lost?.(new Error("the database is closed"));
        return database;
    }

    /**
     * @param {Table} table
     * @param {string} [low]
     * @param {string} [high]
     * @param {number} [limit]
     * @returns {Promise<[string, any][]>}
     */
    async read(table, low = "", high = "\uffff", limit = Infinity) {
        const store = (await this.open()).transaction(table).objectStore(table);
        const request = store.openCursor(IDBKeyRange.bound(low, high, false, true), "prev");
        /** @type {[string, any][]} */
        const found = [];
        for (let cursor; (cursor = await settled(request)); cursor.continue()) {
            if (found.push([/** @type {string} */ (cursor.key), cursor.value]) >= limit) break;
        }
        return found;
    }

    /**
     * @param {Table} table
     * @returns {Promise<string[]>}
     */
    async keys(table) {
        const store = (await this.open()).transaction(table).objectStore(table);
        return settled(/** @type {IDBRequest<any[]>} */ (store.getAllKeys()));
    }

    /**
     * @param {Table[]} tables
     * @param {(table: (name: Table) => IDBObjectStore) => void} change
     * @returns {Promise<void>}
     */
    async transact(tables, change) {
        const transaction = (await this.open()).transaction(tables, "readwrite");
        return new Promise((resolve, reject) => {
            transaction.oncomplete = () => resolve();
            transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
            try {
                change(name => transaction.objectStore(name));
            } catch (error) {
                reject(error);
                transaction.abort();
            }
        });
    }

    /**
     * @param {readonly Change[]} changes
     * @param {number} [reign]
     */
    async write(changes, reign) {
        let isWritten = true;
        await this.transact([...new Set(changes.map(([table]) => table)).add("meta")], table => {
            const write = () => {
                for (const [name, key, value] of changes) {
                    if (value === undefined) table(name).delete(key);
                    else table(name).put(value, key);
                }
            };
            if (reign === undefined) return write();
            table("meta").get("reign").onsuccess = ({ target }) => {
                isWritten = (/** @type {IDBRequest} */ (target).result ?? 0) === reign;
                if (isWritten) write();
            };
        });
        return isWritten;
    }

    /** @param {Table} [only] */
    clear(only) {
        const tables = only ? [only] : [...TABLES];
        return this.transact(tables, table => tables.forEach(name => table(name).clear()));
    }

    async erase() {
        // Other pages may hold it open: what was in it is gone all the same.
        await this.clear();
        this.close();
        await settled(indexedDB.deleteDatabase(await this.name));
    }

    close() {
        this.opened?.then(database => database.close(), () => {});
        this.opened = Promise.reject(new Error("the database is closed"));
        this.opened.catch(() => {});
    }
}
