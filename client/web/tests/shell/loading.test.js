// What is loaded when it is first used comes late, or not at first: what is said and what happens until then is neither lost nor out of
// order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { indexedDbStore } from "../../dunlin/store/indexeddb.js";
import { altered } from "./altered.js";
import { Browser } from "./browser.js";
import { Gateway, until } from "./gateway.js";

let count = 0;

/** What stands in for the network by which modules come: each is asked for in its turn, and comes or fails when a test says so. */
class Modules {
    asked = [];

    /** What connects with a library whose modules come so. */
    async connect(t, ...changes) {
        const its = `comes${(count += 1)}`;
        globalThis[its] = (name, load) => new Promise((resolve, reject) => {
            this.asked.push({ name, come: () => resolve(load()), fail: () => reject(new TypeError("no network")) });
        });
        const late = (file, name) => [file, `import("./${name}.js")`, `globalThis.${its}("${name}", () => import("./${name}.js"))`];
        const load = altered(t, late("tab.js", "engine"), late("conversation/conversation.js", "pages"), ...changes);
        return (await load("dunlin.js")).connect;
    }

    async next(name) {
        await until(() => this.asked[0]?.name === name);
        return this.asked.shift();
    }

    async comes(name) {
        (await this.next(name)).come();
    }

    async fails(name) {
        (await this.next(name)).fail();
    }
}

/** Pauses so short that a test need not wait for them, and two tries. */
const SHORT = [["later.js", "PAUSE_FIRST = 500", "PAUSE_FIRST = 5"], ["later.js", "PAUSE_MOST = 4_000", "PAUSE_MOST = 5"]];

async function setUp(t, ...changes) {
    const modules = new Modules();
    const connect = await modules.connect(t, ...changes);
    const gateway = new Gateway();
    const browser = new Browser(gateway, connect);
    t.after(() => gateway.drop());
    const open = (tab = browser.tab(), options = {}) => {
        const client = tab.connect(options);
        t.after(() => client.close());
        const errors = [];
        client.on("error", ({ code }) => errors.push(code));
        return { tab, client, errors, bob: client.conversation("bob") };
    };
    return { modules, gateway, browser, open };
}

const online = ({ client }) => until(() => client.status.get().state === "online");
const states = ({ bob }) => bob.messages.get().map(({ text, state }) => `${text} ${state}`).join();
const texts = gateway => gateway.mailbox("bob").map(({ content }) => content.message.text).join();
const message = text => ({ message: { text } });
const ulid = time => String(time).padStart(26, "0");

test("what is sent before there is an engine is shown and kept, and goes once and in its order, after a reload as well", async t => {
    const { modules, gateway, browser, open } = await setUp(t);
    const one = open();
    const first = await modules.next("engine");
    for (const text of ["a", "b"]) one.bob.send(text);
    assert.equal(states(one), "a sending,b sending");
    const store = indexedDbStore(`dunlin/${browser.account}`);
    await until(async () => (await store.keys("outbox")).length === 2);
    one.tab.window.dispatchEvent(new Event("pagehide"));
    const two = open(one.tab.reload());
    await until(() => states(two) === "a sending,b sending");
    two.bob.send("c");
    // Both pages are in one program here, which loads it once.
    first.come();
    await until(() => states(two) === "a sent,b sent,c sent");
    assert.deepEqual([texts(gateway), gateway.dials.length], ["a,b,c", 1]);
});

test("an engine that can't be had is said, and tried again for as long as the tab leads", async t => {
    const { modules, gateway, open } = await setUp(t, ...SHORT);
    const one = open();
    one.bob.send("a");
    for (const tries of [2, 4]) {
        await modules.fails("engine");
        await modules.fails("engine");
        await until(() => one.errors.length === tries / 2);
    }
    assert.deepEqual([one.errors, one.client.status.get().state], [["notLoaded", "notLoaded"], "connecting"]);
    await modules.comes("engine");
    await until(() => texts(gateway) === "a");
});

test("whoever closes, or leads no more, before the engine is there has none", async t => {
    for (const end of [client => client.close(), client => client.signOut()]) {
        const { modules, gateway, open } = await setUp(t);
        const { client } = open();
        const asked = await modules.next("engine");
        await end(client);
        asked.come();
        const other = open();
        await online(other);
        assert.deepEqual([gateway.dials.length, client.status.get().state], [1, "ended"]);
        await other.client.close();
    }
});

test("a tab that follows loads the engine ahead, since it may lead when none is to be had", async t => {
    const { modules, gateway, browser, open } = await setUp(t);
    const one = open();
    await modules.comes("engine");
    await online(one);
    // Another page has modules of its own.
    const others = new Modules();
    browser.connect = await others.connect(t);
    const other = open();
    const ahead = await others.next("engine");
    other.bob.send("a");
    await until(() => states(other) === "a sent");
    ahead.come();
    other.bob.send("b");
    one.tab.kill();
    other.bob.send("c");
    await until(() => texts(gateway) === "a,b,c");
    assert.deepEqual([gateway.dials.length, others.asked], [2, []]);
});

test("what comes while the list is loaded is in it, and where it can't be had that is said, and tried over the next connection", async t => {
    const { modules, gateway, open } = await setUp(t, ...SHORT);
    const one = open();
    await modules.comes("engine");
    await online(one);
    const told = [];
    const rows = () => one.client.conversations.get().map(({ with: peer, last, unread }) => `${peer} ${last.text} ${unread}`).join();
    one.client.conversations.subscribe(() => told.push(rows()));
    const first = await modules.next("pages");
    for (const [time, peer] of [[1, "bob"], [2, "carol"], [3, "bob"]]) gateway.store(peer, "alice", ulid(time), message(`${peer} ${time}`));
    await until(() => one.bob.messages.get().length === 2);
    assert.equal(rows(), "");
    first.fail();
    await modules.fails("pages");
    await until(() => one.errors.join() === "notLoaded");
    gateway.answers.conversations = () => ({ conversations: { items: [], next: null } });
    gateway.drop();
    await modules.comes("pages");
    await until(() => told.at(-1) === "bob bob 3 2,carol carol 2 1");
    gateway.store("carol", "alice", ulid(4), message("carol 4"));
    await until(() => told.at(-1) === "carol carol 4 2,bob bob 3 2");
});

test("older messages that can't be loaded can be asked for again", async t => {
    const { modules, gateway, open } = await setUp(t, ...SHORT);
    const one = open();
    await modules.comes("engine");
    await online(one);
    const older = one.bob.older();
    await modules.fails("pages");
    await modules.fails("pages");
    await assert.rejects(older, { code: "notLoaded" });
    const last = { time: 1, id: ulid(1), from: "bob", to: "alice", order: 1, content: message("old"), edited: null, reactions: [] };
    gateway.answers.history = () => ({ history: { entries: [last], next: null } });
    const again = one.bob.older();
    await modules.comes("pages");
    assert.equal(await again, false);
    assert.deepEqual(one.bob.messages.get().map(({ text }) => text), ["old"]);
});
