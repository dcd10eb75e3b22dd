// Tabs of one account are one device, and what they keep may be taken from them.

import assert from "node:assert/strict";
import { until } from "./harness/until.js";
import { handOver, online, sent, shown, shows, texts, world } from "./harness/world.js";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("./harness/browser.js").Browser} Browser */

const test = world();

/** The devices that the gateway knows of a client's user. @param {Page} page */
const devices = (page) => page.evaluate("client.ask({ devices: {} }).then(({ devices }) => devices.items.length)");

/** What a client has told of its store. @param {Page} page */
const storage = (page) => page.evaluate("told.storage.map(({ why, inMemory }) => ({ why: String(why), inMemory }))");

test("two tabs share a connection, and the second goes on when the first is closed", async ({ world, browser }) => {
    const wire = await world.wire();
    const { ann, ben, page: first, other: reader } = await world.two(browser, { url: wire.url });
    await online(first);
    const second = await browser.open(world.address(ann, ben, { url: wire.url }));
    await online(second);
    await handOver(first, texts("first", 20));
    await shows(second, texts("first", 20));
    assert.equal(wire.made, 1);

    await handOver(second, texts("second", 200));
    const some = (seen) => seen.some(({ text, state }) => text === "second 5" && ["delivered", "read"].includes(state));
    await until("some have arrived", () => shown(second), some);
    await first.close();
    const all = [...texts("first", 20), ...texts("second", 200)];
    await shows(reader, all);
    await shows(second, all);
    await sent(second);
    assert.equal(await devices(second), 1);
});

test("a duplicated tab is no second device", async ({ world, browser }) => {
    const { page: first, other: reader } = await world.two(browser);
    await online(first);
    // As the browser's own command does it: the new tab begins with a copy of the session's storage.
    const opened = browser.context.waitForEvent("page");
    await first.evaluate("sessionStorage.here = 1, void open(location.href)");
    const second = await opened;
    await online(second);
    assert.equal(await second.evaluate("sessionStorage.here"), "1");

    await handOver(first, ["of the first"]);
    await shows(second, ["of the first"]);
    await handOver(second, ["of the second"]);
    for (const page of [first, second, reader]) await shows(page, ["of the first", "of the second"]);
    assert.equal(await devices(second), 1);
    for (const page of [first, second]) assert(!(await page.evaluate("told.status")).includes("ended"));
});

/** Ways in which a database goes. @type {Record<string, (browser: Browser, page: Page, account: string) => Promise<unknown>>} */
const deletions = {
    "by a script": (_, page, account) => page.evaluate((name) => void indexedDB.deleteDatabase(name), `dunlin/${account}`),
    "by the browser": async (browser, page) => {
        const session = await browser.context.newCDPSession(page);
        await session.send("Storage.clearDataForOrigin", { origin: new URL(page.url()).origin, storageTypes: "indexeddb" });
    },
};
for (const [how, take] of Object.entries(deletions)) {
    test(`a database that is deleted ${how} while it is open`, async ({ world, browser }) => {
        const { ann, page: sender, other: reader } = await world.two(browser);
        await online(sender);
        await handOver(sender, texts("before", 20));
        await take(browser, sender, ann);
        await until("it is said", () => storage(sender), (told) => told.at(-1)?.inMemory);
        await handOver(sender, texts("after", 20));
        const all = [...texts("before", 20), ...texts("after", 20)];
        await shows(reader, all);
        await shows(sender, all);
        await sent(sender);
    });
}

test("a disk that is full is said, and everything works in memory", async ({ world, browser }) => {
    const [ann, ben] = world.pair();
    const [sender, reader] = [await browser.open(world.site.url), await browser.open(world.address(ben, ann, { store: "memory" }))];
    const session = await browser.context.newCDPSession(sender);
    await session.send("Storage.overrideQuotaForOrigin", { origin: world.site.url, quotaSize: 200_000 });
    await sender.goto(world.address(ann, ben));
    await online(sender);
    assert.deepEqual(await storage(sender), []);
    const all = texts("m".repeat(20_000), 20);
    await handOver(sender, all);
    await until("it is said", () => storage(sender), (told) => told.at(-1)?.inMemory);
    await shows(reader, all);
    await shows(sender, all);
    await sent(sender);
});
