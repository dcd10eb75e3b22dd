// One suite for the stores, and what becomes of a client's things when its store fails.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { indexedDbStore } from "../../dunlin/store/indexeddb.js";
import { createKept } from "../../dunlin/store/kept.js";
import { MemoryStore } from "../../dunlin/store/memory.js";

let names = 0;
const name = () => `dunlin/test-${(names += 1)}`;

for (const [kind, make] of [
    ["memory", () => new MemoryStore()],
    ["IndexedDB", name => indexedDbStore(name)],
]) {
    describe(kind, () => {
        test("what is written is read, the highest key first", async () => {
            const store = make(name());
            assert.deepEqual(await store.read("outbox"), []);
            await store.write([["outbox", "b", { text: "2" }], ["outbox", "a", 1], ["cursors", "mailbox", "c1"], ["outbox", "c", [3]]]);
            assert.deepEqual(await store.read("outbox"), [["c", [3]], ["b", { text: "2" }], ["a", 1]]);
            assert.deepEqual(await store.read("cursors"), [["mailbox", "c1"]]);
            await store.write([["outbox", "b", undefined], ["outbox", "a", "changed"], ["outbox", "none", undefined]]);
            assert.deepEqual(await store.read("outbox"), [["c", [3]], ["a", "changed"]]);
        });

        test("a range has its beginning and not its end, and as many as are wanted", async () => {
            const store = make(name());
            const keys = ["bob/1/x", "bob/2/x", "bob/3/x", "bobby/1/x", "carol/1/x"];
            await store.write(keys.map(key => ["entries", key, key]));
            const read = async (...range) => (await store.read("entries", ...range)).map(([key]) => key);
            assert.deepEqual(await read("bob/", "bob/~"), ["bob/3/x", "bob/2/x", "bob/1/x"]);
            assert.deepEqual(await read("bob/", "bob/3"), ["bob/2/x", "bob/1/x"]);
            assert.deepEqual(await read("bob/", "bob/~", 2), ["bob/3/x", "bob/2/x"]);
            assert.deepEqual(await read("bob/2/x", "bob/3/x"), ["bob/2/x"]);
            assert.deepEqual((await store.keys("entries")).sort(), keys);
        });

        test("one table is cleared, or all; what is erased is gone", async () => {
            const own = name();
            const store = make(own);
            await store.write([["outbox", "a", 1], ["entries", "a", 1]]);
            await store.clear("entries");
            assert.deepEqual([await store.keys("outbox"), await store.keys("entries")], [["a"], []]);
            await store.clear();
            assert.deepEqual(await store.keys("outbox"), []);
            await store.write([["outbox", "a", 1]]);
            await store.erase();
            assert.ok(!(await indexedDB.databases()).some(({ name }) => name === own));
        });
    });
}

test("a database outlives who opened it", async () => {
    const own = name();
    const first = indexedDbStore(own);
    await first.write([["meta", "device", "web-1"]]);
    first.close();
    await assert.rejects(first.write([["meta", "device", "web-2"]]), "it is closed");
    const second = indexedDbStore(own);
    assert.deepEqual(await second.read("meta"), [["device", "web-1"]]);
    second.close();
});

test("all of a transaction is kept or nothing", async () => {
    const store = indexedDbStore(name());
    await assert.rejects(store.write([["outbox", "a", 1], ["outbox", "b", () => {}]]));
    assert.deepEqual(await store.keys("outbox"), []);
    store.close();
});

const opened = request => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
});

/** What a store in use keeps, and what was said of it. */
async function inUse(store) {
    const said = [];
    const kept = createKept(store, (why, inMemory) => said.push([why, inMemory]));
    await kept.lead(0);
    await kept.write([["meta", "device", "web-1"], ["outbox", "a", 1], ["entries", "bob/1/x", 1]]);
    return { kept, said };
}

/** It goes on in memory, and has told so once. */
async function goesOn({ kept, said }) {
    await kept.write([["outbox", "b", 2], ["entries", "bob/2/x", 2]]);
    assert.deepEqual(await kept.read("outbox"), [["b", 2], ["a", 1]], "with what was unsent before");
    assert.deepEqual(await kept.read("meta"), [["reign", 1], ["device", "web-1"]]);
    assert.equal((await kept.read("entries", "bob/2")).length, 1);
    assert.deepEqual(said.map(([why, inMemory]) => [why instanceof Error || why instanceof DOMException, inMemory]), [[true, true]]);
}

describe("a store that fails", () => {
    test("a database of a newer release", async () => {
        const own = name();
        (await opened(indexedDB.open(own, 99))).close();
        const using = await inUse(indexedDbStore(own));
        await goesOn(using);
        assert.equal(using.said[0][0].name, "VersionError");
    });

    test("a private window that has no database", async t => {
        t.mock.method(indexedDB, "open", () => {
            throw new DOMException("not here", "SecurityError");
        });
        await goesOn(await inUse(indexedDbStore(name())));
    });

    test("a database that is deleted while it is open", async () => {
        const own = name();
        const using = await inUse(indexedDbStore(own));
        await opened(indexedDB.deleteDatabase(own));
        await goesOn(using);
    });

    test("a database that the browser closes", async t => {
        const { mock } = t.mock.method(indexedDB, "open");
        const using = await inUse(indexedDbStore(name()));
        mock.calls[0].result.result.onclose();
        await goesOn(using);
    });

    test("a full disk: history goes first, and what is unsent stays there", async () => {
        const store = indexedDbStore(name());
        const { kept, said } = await inUse(store);
        let full = true;
        const { write } = store;
        store.write = async changes => {
            if (full && (await store.keys("entries")).length) throw new DOMException("full", "QuotaExceededError");
            return write.call(store, changes);
        };
        await kept.write([["outbox", "b", 2]]);
        assert.deepEqual([await store.keys("outbox"), await store.keys("entries")], [["a", "b"], []]);
        assert.deepEqual(said.map(([why, inMemory]) => [why.name, inMemory]), [["QuotaExceededError", false]]);
        full = false;
        store.write = async () => {
            throw new DOMException("full", "QuotaExceededError");
        };
        await kept.write([["outbox", "c", 3]]);
        assert.deepEqual((await kept.read("outbox")).map(([key]) => key), ["c", "b", "a"]);
        assert.equal(said.at(-1)[1], true);
        assert.equal(kept.lasts(), false);
    });
});

test("a store that is lost while it is asked need not answer", async () => {
    const store = new MemoryStore();
    store.read = store.write = () => new Promise(() => {});
    const said = [];
    const kept = createKept(store, (why, inMemory) => said.push([why.message, inMemory]));
    const written = kept.write([["outbox", "a", 1]]);
    const read = kept.read("meta");
    store.lost(new Error("it was deleted"));
    await written;
    assert.deepEqual([await read, await kept.read("outbox")], [[], [["a", 1]]]);
    assert.deepEqual(said, [["it was deleted", true]]);
});

test("a disk that is full for two writes at once: what is in memory stays there, and is said to", async () => {
    const store = new MemoryStore();
    let cleared;
    const clears = [new Promise(resolve => { cleared = resolve; }), Promise.resolve()];
    store.clear = async () => clears.pop();
    store.write = async () => {
        throw new DOMException("full", "QuotaExceededError");
    };
    const said = [];
    const kept = createKept(store, (why, inMemory) => said.push(inMemory));
    const first = kept.write([["outbox", "a", 1]]);
    const second = kept.write([["outbox", "b", 2]]);
    await Promise.all([first, second]);
    cleared();
    await new Promise(setImmediate);
    assert.deepEqual(said, [false, true, true]);
    assert.deepEqual(kept.held("outbox").map(([key]) => key), ["a", "b"]);
});
