// Databases as IndexedDB has them: transactions in their order, each whole or not at all, also where their tab dies. What the library uses
// of it, and no more.

export const KeyRange = { bound: (low, high) => key => low <= key && key < high };

class Request {
    constructor(transaction, act) {
        Object.assign(this, { transaction, act, onsuccess: null, onerror: null, result: undefined });
    }
}

class Cursor {
    constructor(request, rows) {
        Object.assign(this, { request, rows });
        [[this.key, this.value]] = rows;
    }

    continue() {
        const { request, rows } = this;
        request.transaction.ask(() => cursorOf(request, rows.slice(1)), request);
    }
}

const cursorOf = (request, rows) => (rows.length ? new Cursor(request, rows) : null);

class ObjectStore {
    constructor(transaction, name) {
        Object.assign(this, { transaction, name });
    }

    get table() {
        return this.transaction.database.tables.get(this.name);
    }

    put(value, key) {
        const copy = structuredClone(value);
        return this.transaction.ask(() => this.transaction.change(this.name, key, copy));
    }

    delete(key) {
        return this.transaction.ask(() => this.transaction.change(this.name, key, undefined));
    }

    clear() {
        return this.transaction.ask(() => [...this.table.keys()].forEach(key => this.transaction.change(this.name, key, undefined)));
    }

    get(key) {
        return this.transaction.ask(() => structuredClone(this.table.get(key)));
    }

    getAllKeys() {
        return this.transaction.ask(() => [...this.table.keys()].sort());
    }

    openCursor(isIn) {
        const request = this.transaction.ask(() => {
            const rows = [...this.table].filter(([key]) => isIn(key)).sort(([one], [other]) => (one < other ? 1 : -1));
            return cursorOf(request, structuredClone(rows));
        });
        return request;
    }
}

class Transaction {
    constructor(database, tables, mode) {
        const { world } = database.databases;
        Object.assign(this, { database, world, tables: [tables].flat(), mode, tab: world.current });
        Object.assign(this, { requests: [], changes: [], isOver: false, isBegun: false, waits: false, error: null, born: this.tab.steps });
        Object.assign(this, { oncomplete: null, onabort: null });
    }

    objectStore(name) {
        return new ObjectStore(this, name);
    }

    ask(act, request = new Request(this, act)) {
        request.act = act;
        if (!this.tab.acts()) return request;
        if (this.isOver) throw new DOMException("over", "TransactionInactiveError");
        this.requests.push(request);
        return request;
    }

    change(table, key, value) {
        const kept = this.database.tables.get(table);
        this.changes.push([table, key, value, kept.get(key)]);
        if (value === undefined) kept.delete(key);
        else kept.set(key, value);
    }

    meets({ tables, mode }) {
        return (mode === "readwrite" || this.mode === "readwrite") && tables.some(table => this.tables.includes(table));
    }

    /** Whether it can't end without its tab's code. */
    get needsTab() {
        return !this.isOver && (this.waits || this.requests.some(({ onsuccess }) => onsuccess));
    }

    /** Does what is asked, one after the other, and ends once nothing is asked any more. */
    go() {
        if (this.isOver || this.waits) return;
        this.isBegun = true;
        const request = this.requests.shift();
        if (!request) return this.commit();
        request.result = request.act();
        if (!request.onsuccess) return this.go();
        this.waits = true;
        this.world.after(this.tab.lateness, () => {
            this.waits = false;
            this.world.after(0, () => this.go());
            request.onsuccess({ target: request });
        }, this.tab, "database");
    }

    commit() {
        const { database } = this;
        if (database.isFullFor(this.changes)) {
            return this.abort(new DOMException("full", "QuotaExceededError"));
        }
        database.databases.committed(this);
        this.end(() => this.oncomplete?.({}));
    }

    abort(error = null) {
        if (this.isOver) return;
        const { changes, database } = this;
        this.error = error;
        for (const [table, key, , before] of changes.splice(0).reverse()) {
            if (before === undefined) database.tables.get(table).delete(key);
            else database.tables.get(table).set(key, before);
        }
        this.end(() => this.onabort?.({}));
    }

    end(tell) {
        this.isOver = true;
        this.database.pump();
        this.world.after(this.tab.lateness, tell, this.tab, "database");
    }

    /** Its tab is dead. */
    orphaned() {
        if (this.isOver) return;
        const isHalf = this.world.current === this.tab && this.born === this.tab.steps;
        if (this.needsTab || isHalf || this.world.chance(0.5)) this.abort();
    }
}

class Database {
    constructor(databases) {
        Object.assign(this, { databases, tables: new Map(), transactions: [] });
    }

    /** Entries that were there before take the room. */
    isFullFor(changes) {
        const fresh = changes.filter(([table, , value, before]) => table === "entries" && value && !before);
        const writes = changes.some(([, , value]) => value !== undefined);
        return writes && this.tables.get("entries").size - fresh.length > this.databases.room;
    }

    pump() {
        const { world } = this.databases;
        this.transactions = this.transactions.filter(({ isOver }) => !isOver);
        for (const [at, transaction] of this.transactions.entries()) {
            if (transaction.isBegun || this.transactions.slice(0, at).some(other => other.meets(transaction))) continue;
            transaction.isBegun = true;
            world.after(this.databases.lateness(), () => transaction.go());
        }
    }
}

export class Databases {
    constructor(world, committed) {
        Object.assign(this, { world, committed, room: Infinity, slowness: 2, all: new Map() });
    }

    lateness() {
        return this.world.below(this.slowness + 1);
    }

    /** Whether a tab may be frozen: a browser lets one that others wait for go on. */
    mayFreeze(tab) {
        return [...this.all.values()].every(({ transactions }) => !transactions.some(one => one.tab === tab && one.needsTab));
    }

    open(name) {
        const { world } = this;
        const tab = world.current;
        const request = { onsuccess: null, onupgradeneeded: null };
        if (!tab.acts()) return request;
        world.after(this.lateness() + tab.lateness, () => {
            const isNew = !this.all.has(name);
            if (isNew) this.all.set(name, new Database(this));
            const database = this.all.get(name);
            let isClosed = false;
            request.result = {
                createObjectStore: table => database.tables.set(table, new Map()),
                close: () => (isClosed = true),
                transaction: (tables, mode = "readonly") => {
                    if (isClosed) throw new DOMException("closed", "InvalidStateError");
                    const transaction = new Transaction(database, tables, mode);
                    if (!tab.acts()) return transaction;
                    tab.onDeath.push(() => transaction.orphaned());
                    database.transactions.push(transaction);
                    database.pump();
                    return transaction;
                },
            };
            if (isNew) request.onupgradeneeded();
            request.onsuccess();
        }, tab, "database");
        return request;
    }
}
