/** The browser's own database, one for each account: it outlives the page. */

/** @import { Store, Table } from "./memory.js" */

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

const gone = () => new Error("the database is closed");

/**
 * @param {string | Promise<string>} name of the database
 * @returns {Store}
 */
export function indexedDbStore(name) {
    /** @type {Promise<IDBDatabase> | undefined} */
    let opened;

    /** @returns {Promise<IDBDatabase>} */
    async function open() {
        const request = indexedDB.open(await name, VERSION);
        request.onupgradeneeded = () => TABLES.forEach(table => request.result.createObjectStore(table));
        const database = await settled(request);
        // Whoever deletes it, or upgrades it, waits for this one to let go.
        database.onversionchange = database.onclose = () => store.lost?.(gone());
        return database;
    }

    /** @param {IDBTransactionMode} [mode] */
    const begin = async mode => (await (opened ??= open())).transaction(TABLES, mode);

    /**
     * @param {(table: (name: Table) => IDBObjectStore) => void} change
     * @returns {Promise<void>}
     */
    async function transact(change) {
        const transaction = await begin("readwrite");
        return new Promise((resolve, reject) => {
            transaction.oncomplete = () => resolve();
            transaction.onabort = () => reject(transaction.error ?? gone());
            try {
                change(name => transaction.objectStore(name));
            } catch (error) {
                reject(error);
                transaction.abort();
            }
        });
    }

    /** @type {Store} */
    const store = {
        async read(table, low = "", high = "\uffff", limit) {
            const range = IDBKeyRange.bound(low, high, false, true);
            const request = (await begin()).objectStore(table).openCursor(range, "prev");
            /** @type {[string, any][]} */
            const found = [];
            for (let cursor; (cursor = await settled(request)); cursor.continue()) {
                if (found.push([/** @type {string} */ (cursor.key), cursor.value]) === limit) break;
            }
            return found;
        },

        keys: async table => settled(/** @type {IDBRequest<any[]>} */ ((await begin()).objectStore(table).getAllKeys())),

        async write(changes, reign) {
            let isWritten = true;
            await transact(table => {
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
        },

        clear: only => transact(table => (only ? [only] : TABLES).forEach(name => table(name).clear())),

        async erase() {
            // Other pages may hold it open: what was in it is gone all the same.
            await store.clear();
            store.close();
            await settled(indexedDB.deleteDatabase(await name));
        },

        close() {
            opened?.then(database => database.close(), () => {});
            opened = Promise.reject(gone());
            opened.catch(() => {});
        },
    };
    return store;
}
