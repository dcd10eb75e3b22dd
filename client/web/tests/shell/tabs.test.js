// The tabs of one browser: one connection for all of them, whoever leads; or each one for itself.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Browser } from "./browser.js";
import { Gateway, until } from "./gateway.js";

function setUp(t) {
    const gateway = new Gateway();
    const browser = new Browser(gateway);
    t.after(() => gateway.drop());
    const open = (tab = browser.tab(), options = {}) => {
        const client = tab.connect(options);
        t.after(() => client.close());
        return { tab, client };
    };
    return { gateway, browser, open };
}

const online = ({ client }) => until(() => client.status.get().state === "online");
const say = ({ client }, text) => client.conversation("bob").send(text);
const texts = gateway => gateway.mailbox("bob").map(({ content }) => content.message.text);
const states = ({ client }) => client.conversation("bob").messages.get().map(({ text, state }) => [text, state]);
const numbers = (count, prefix = "") => Array.from({ length: count }, (_, number) => `${prefix}${number}`);

/** Everything was sent once, and what a tab has sent in its order. */
function assertSent(gateway, ...ofTabs) {
    assert.deepEqual(texts(gateway).toSorted(), ofTabs.flat().toSorted());
    for (const sent of ofTabs) assert.deepEqual(texts(gateway).filter(text => sent.includes(text)), sent);
}

test("tabs share a connection, and each sees everything", async t => {
    const { gateway, open } = setUp(t);
    const [one, other] = [open(), open()];
    await online(one);
    await online(other);
    assert.deepEqual([gateway.dials.length, gateway.sockets.size], [1, 1]);
    assert.equal(one.client.status.get().device, other.client.status.get().device);
    one.client.conversation("bob");
    const entries = [[], []];
    [one, other].forEach(({ client }, at) => client.on("entry", ({ content }) => entries[at].push(content.message.text)));
    say(other, "from the follower");
    await until(() => states(one).length === 1 && states(one)[0][1] === "sent");
    await until(() => states(other)[0][1] === "sent");
    gateway.store("bob", "alice", "01HZZZZZZZ0000000000000001", { message: { text: "to both" } });
    await until(() => entries[0].length && entries[1].length);
    assert.deepEqual(entries, [["to both"], ["to both"]]);
    gateway.answers.devices = () => ({ devices: { items: [] } });
    assert.deepEqual(await other.client.ask({ devices: {} }), { devices: { items: [] } });
    const late = open();
    await online(late);
    late.client.conversation("bob");
    await until(() => states(late).length === 2);
    assert.equal(gateway.dials.length, 1);
});

describe("who leads goes", () => {
    test("and closes while all send", async t => {
        const { gateway, open } = setUp(t);
        const [one, other] = [open(), open()];
        await online(other);
        const [ofOne, ofOther] = [numbers(20, "one-"), numbers(20, "other-")];
        for (let i = 0; i < 20; i += 1) {
            say(one, ofOne[i]);
            say(other, ofOther[i]);
        }
        await until(() => texts(gateway).length >= 7);
        await one.client.close();
        await until(() => texts(gateway).length >= 40);
        await until(() => states(other).every(([, state]) => state === "sent"));
        assertSent(gateway, ofOne, ofOther);
        assert.equal(gateway.dials.length, 2);
    });

    test("and what is said before another one leads is not lost", async t => {
        const { gateway, open } = setUp(t);
        const [one, other] = [open(), open()];
        await online(other);
        gateway.answers.devices = () => ({ devices: { items: [] } });
        one.tab.mute();
        say(other, "nobody leads");
        const asked = other.client.ask({ devices: {} });
        const late = open();
        late.client.presence(["bob"]).subscribe(() => {});
        one.tab.kill();
        await until(() => texts(gateway).length === 1);
        assert.deepEqual(await asked, { devices: { items: [] } });
        assertSent(gateway, ["nobody leads"]);
        await until(() => gateway.came("ask").some(({ what }) => what.watch?.users.includes("bob")));
    });

    test("and all of them: the next page goes on", async t => {
        const { gateway, open } = setUp(t);
        gateway.holds = true;
        const [one, other] = [open(), open()];
        await online(other);
        say(one, "1");
        say(other, "2");
        await until(() => gateway.came("send").length === 1);
        await until(() => states(one).length === 2);
        other.tab.kill();
        one.tab.kill();
        gateway.holds = false;
        const next = open();
        await until(() => texts(gateway).length === 2);
        assertSent(gateway, ["1"], ["2"]);
        next.client.conversation("bob");
        await until(() => states(next).length === 2 && states(next).every(([, state]) => state === "sent"));
    });

    test("and is put away: it comes back and has missed nothing", async t => {
        const { gateway, open } = setUp(t);
        const [one, other] = [open(), open()];
        await online(other);
        one.client.conversation("bob");
        one.tab.window.dispatchEvent(new Event("pagehide"));
        await until(() => gateway.dials.length === 2);
        await online(other);
        say(other, "meanwhile");
        await until(() => states(other)[0]?.[1] === "sent");
        assert.deepEqual(states(one), []);
        one.tab.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
        await until(() => states(one).length === 1);
        say(one, "and now");
        await until(() => states(other).length === 2 && texts(gateway).length === 2);
        assertSent(gateway, ["meanwhile", "and now"]);
        assert.equal(gateway.dials.length, 2);
    });

    test("and what was delivered for another tab is not sent again", async t => {
        const { gateway, browser, open } = setUp(t);
        const [one, other] = [open(), open()];
        await online(other);
        say(other, "delivered");
        await until(() => states(other)[0]?.[1] === "sent");
        gateway.tell("alice", { receipt: { by: "bob", to: "bob", delivered: 1, read: null, time: Date.now(), since: 1, missing: [] } });
        await until(() => states(other)[0][1] === "delivered");
        one.tab.kill();
        await until(() => gateway.dials.length === 2);
        await online(other);
        say(other, "next");
        await until(() => texts(gateway).length === 2);
        assertSent(gateway, ["delivered", "next"]);
        assert.equal(gateway.came("send").length, 2, browser.account);
    });

    test("and is frozen: a tab that is looked at takes the lead", async t => {
        const { gateway, open } = setUp(t);
        const [one, other] = [open(), open()];
        await online(other);
        await other.client.ask({ devices: {} });
        one.tab.mute();
        say(other, "is anybody there?");
        await until(() => texts(gateway).length === 1, 8_000);
        await until(() => states(other)[0][1] === "sent");
        assertSent(gateway, ["is anybody there?"]);
        assert.equal(gateway.sockets.size, 1, "the frozen one has learnt that it leads no more");
    });
});

test("a tab that does not lead is closed with what it has just said on its way", async t => {
    const { gateway, open } = setUp(t);
    const [one, other] = [open(), open()];
    await online(other);
    say(other, "bye");
    await other.client.close();
    await until(() => texts(gateway).length === 1);
    assert.equal(one.client.status.get().state, "online");
});

test("where nothing can be stored a tab that was away says nothing twice", async t => {
    t.mock.method(indexedDB, "open", () => {
        throw new DOMException("not here", "SecurityError");
    });
    const { gateway, open } = setUp(t);
    const [one, other] = [open(), open()];
    await online(other);
    gateway.holds = true;
    say(other, "once");
    await until(() => gateway.came("send").length === 1);
    other.tab.window.dispatchEvent(new Event("pagehide"));
    gateway.holds = false;
    gateway.drop();
    await until(() => texts(gateway).length === 1);
    gateway.tell("alice", { receipt: { by: "bob", to: "bob", delivered: 1, read: null, time: Date.now(), since: 1, missing: [] } });
    await one.client.ask({ devices: {} });
    other.tab.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await other.client.ask({ devices: {} });
    say(other, "and on");
    await until(() => texts(gateway).length === 2);
    assertSent(gateway, ["once", "and on"]);
    assert.equal(gateway.mailbox("bob").length, 2);
});

test("signing out ends all tabs and leaves nothing", async t => {
    const { gateway, browser, open } = setUp(t);
    const [one, other] = [open(), open()];
    await online(other);
    say(one, "hi");
    await until(() => texts(gateway).length === 1);
    await other.client.signOut();
    await until(() => one.client.status.get().state === "ended");
    assert.equal(one.client.status.get().why.kind, "signedOut");
    assert.equal(other.client.status.get().why.kind, "signedOut");
    assert.throws(() => say(one, "no"), { code: "ended" });
    const databases = async () => (await indexedDB.databases()).map(({ name }) => name);
    await until(async () => !(await databases()).includes(`dunlin/${browser.account}`));
    await until(() => gateway.sockets.size === 0);
    const next = open();
    await online(next);
    assert.equal(next.client.conversation("bob").messages.get().length, 0);
});

test("a page that may have no locks connects by itself", async t => {
    const { gateway, browser, open } = setUp(t);
    browser.locks.request = () => Promise.reject(new DOMException("not here", "SecurityError"));
    const one = open();
    await online(one);
    say(one, "hi");
    await until(() => texts(gateway).length === 1);
});

describe("a tab that is alone", () => {
    const alone = { tabs: "alone" };
    const device = ({ client }) => client.status.get().device;

    test("is a device of its own, also when it is loaded again", async t => {
        const { gateway, browser, open } = setUp(t);
        const [one, other] = [open(browser.tab(), alone), open(browser.tab(), alone)];
        await online(one);
        await online(other);
        assert.notEqual(device(one), device(other));
        assert.equal(gateway.sockets.size, 2);
        gateway.holds = true;
        say(one, "unsent");
        await until(() => gateway.came("send").length === 1);
        const again = one.tab.reload();
        gateway.holds = false;
        const reloaded = open(again, alone);
        await online(reloaded);
        assert.equal(device(reloaded), device(one));
        await until(() => texts(gateway).length === 1);
    });

    test("is another one when it is duplicated", async t => {
        const { browser, open } = setUp(t);
        const one = open(browser.tab(), alone);
        await online(one);
        const duplicate = open(one.tab.duplicate(), alone);
        await online(duplicate);
        assert.notEqual(device(duplicate), device(one));
        assert.equal(one.client.status.get().state, "online");
    });
});
