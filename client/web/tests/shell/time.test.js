// Far timers, sleep, and sockets that are open and dead.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createTimer } from "../../dunlin/timer.js";
import { Browser } from "./browser.js";
import { Gateway, token, until } from "./gateway.js";

const online = client => until(() => client.status.get().state === "online");

function setUp(t, options = {}) {
    const gateway = new Gateway();
    const tab = new Browser(gateway).tab();
    const client = tab.connect({ store: "memory", ...options });
    t.after(() => client.close());
    return { gateway, tab, client };
}

test("a timer beyond what a browser takes waits", t => {
    let now = 0;
    const set = [];
    t.mock.method(performance, "now", () => now);
    t.mock.method(globalThis, "setTimeout", (fire, after) => set.push({ fire, after }));
    let fired = 0;
    createTimer(() => (fired += 1))(30 * 86_400_000);
    while (set.length) {
        const { fire, after } = set.pop();
        assert.ok(after < 2 ** 31, `${after}`);
        assert.equal(fired, 0);
        now += after;
        fire();
    }
    assert.deepEqual([fired, now], [1, 30 * 86_400_000]);
});

test("a token of 30 days asks for no other one", async t => {
    const exp = Math.floor(Date.now() / 1_000) + 30 * 86_400;
    const timers = [];
    const { setTimeout } = globalThis;
    t.mock.method(globalThis, "setTimeout", (fire, after, ...rest) => {
        timers.push(after);
        return setTimeout(fire, after, ...rest);
    });
    let asked = 0;
    const { client } = setUp(t, { getToken: () => ((asked += 1), token("alice", { exp })) });
    await online(client);
    await until(() => timers.includes(2 ** 31 - 1));
    assert.ok(timers.every(after => after < 2 ** 31));
    assert.equal(asked, 1);
});

const wakes = [
    ["the network is back", tab => tab.window.dispatchEvent(new Event("online"))],
    ["a hidden page is shown", tab => tab.document.dispatchEvent(new Event("visibilitychange"))],
    ["a frozen page goes on", tab => tab.document.dispatchEvent(new Event("resume"))],
    ["a page comes back as it was", tab => tab.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }))],
];

for (const [what, wake] of wakes) {
    test(`it dials at once when ${what}`, async t => {
        const { gateway, tab, client } = setUp(t, { backoff: { first: 3_600_000, most: 3_600_000 } });
        t.mock.method(Math, "random", () => 0.5);
        await online(client);
        gateway.drop();
        await until(() => client.status.get().state === "offline");
        assert.ok(client.status.get().retryAt > Date.now() + 1_000_000);
        wake(tab);
        await online(client);
    });
}

test("a page that is hidden does not wake", async t => {
    const { gateway, tab, client } = setUp(t);
    await online(client);
    const probes = () => gateway.came("ask").filter(({ what }) => what.presence).length;
    tab.document.hidden = true;
    tab.document.dispatchEvent(new Event("visibilitychange"));
    await client.ask({ devices: {} });
    assert.equal(probes(), 0);
    tab.document.hidden = false;
    tab.document.dispatchEvent(new Event("visibilitychange"));
    await until(() => probes() === 1);
});

test("a socket that is open and dead is found within 5 s of waking", async t => {
    const { gateway, tab, client } = setUp(t);
    await online(client);
    gateway.swallow();
    const began = performance.now();
    tab.window.dispatchEvent(new Event("online"));
    await until(() => gateway.dials.length === 2, 6_000);
    await online(client);
    assert.ok(performance.now() - began < 5_500);
    client.conversation("bob").send("it works");
    await until(() => gateway.mailbox("bob").length === 1);
});

test("after a sleep the connection is made anew", async t => {
    const { gateway, client } = setUp(t);
    await online(client);
    const { now } = Date;
    t.mock.method(Date, "now", () => now() + 60_000);
    client.conversation("bob").send("good morning");
    await until(() => gateway.mailbox("bob").length === 1);
    assert.equal(gateway.dials.length, 2);
});
