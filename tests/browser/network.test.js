// Connections that break in ways that pages are not told of, clocks that are wrong, and tokens that end.

import assert from "node:assert/strict";
import { beginning } from "../../client/web/dunlin/core/ids.js";
import { until } from "./harness/until.js";
import { handOver, online, sent, shown, shows, texts, world } from "./harness/world.js";

/** @typedef {import("playwright-core").Page} Page */

const test = world();

/** Puts another tab in front of a page. @param {Page} page */
async function hide(page) {
    await (await page.context().newPage()).bringToFront();
    await until("the page is hidden", () => page.evaluate("document.hidden"));
}

/** Freezes a page, which takes its connections, or lets it go on. @param {Page} page @param {"frozen" | "active"} state */
async function setLife(page, state) {
    const session = await page.context().newCDPSession(page);
    await session.send("Page.setWebLifecycleState", { state });
    await session.detach();
}

const state = (/** @type {Page} */ page) => page.evaluate("client.status.get().state");
const reasons = (/** @type {Page} */ page) => page.evaluate("tokens.map(({ reason }) => reason)");

for (const [how, minutes] of /** @type {const} */ ([["ahead", 10], ["behind", -10]])) {
    test(`a clock that is ten minutes ${how}`, async ({ world, browser }) => {
        await browser.context.addInitScript((by) => {
            const Real = Date;
            globalThis.Date = class extends Real {
                constructor(...given) {
                    super(...(given.length ? given : [Date.now()]));
                }
                static now() {
                    return Real.now() + by;
                }
            };
        }, minutes * 60_000);
        const { page: sender, other: reader } = await world.two(browser);
        const began = Date.now();
        // What is handed over before the first welcome is named by the wrong clock, if by any.
        await handOver(sender, texts("m", 30));
        await shows(reader, texts("m", 30));
        await sent(sender);
        await sender.reload();
        await handOver(sender, ["after a reload"]);
        await shows(reader, [...texts("m", 30), "after a reload"]);
        await shows(sender, [...texts("m", 30), "after a reload"]);
        // Each is named by the gateway's clock, which is the one of this test.
        const [first, last] = [began - 60_000, Date.now() + 60_000].map(beginning);
        for (const { id } of await shown(sender)) assert(first < id && id < last, `${first} < ${id} < ${last}`);
    });
}

test("a connection that was forgotten is found when the page is looked at again", async ({ world, browser }) => {
    const wire = await world.wire();
    const { page, other } = await world.two(browser, { url: wire.url });
    await online(page);
    await hide(page);
    wire.forget();
    await handOver(other, texts("unheard", 5));
    await sent(other);
    assert.equal(wire.made, 1);
    await page.bringToFront();
    const looked = performance.now();
    await until("another connection is made", () => wire.made, (made) => made > 1);
    const took = performance.now() - looked;
    assert(took < 20_000, `it took ${took} ms: not five seconds, but the minute after which silence is noticed`);
    await shows(page, texts("unheard", 5));
});

test("what is sent into a connection that was forgotten is sent again", async ({ world, browser }) => {
    const wire = await world.wire();
    const { page, other } = await world.two(browser, { url: wire.url });
    await online(page);
    await hide(page);
    wire.forget();
    await handOver(page, texts("m", 5));
    await page.bringToFront();
    await shows(other, texts("m", 5));
    await sent(page);
    await shows(page, texts("m", 5));
});

test("a connection that breaks again and again in the middle of sending", async ({ world, browser }) => {
    const wire = await world.wire();
    const over = { url: wire.url, backoff: "50" };
    const { page, other } = await world.two(browser, over, over);
    for (let round = 1; round <= 10; round += 1) {
        await online(page);
        await online(other);
        await handOver(page, texts(`round ${round},`, 20));
        wire.cut();
    }
    const all = Array.from({ length: 10 }, (_, round) => texts(`round ${round + 1},`, 20)).flat();
    await shows(other, all);
    await shows(page, all);
    await sent(page);
    for (const one of [page, other]) assert.deepEqual(await one.evaluate("told.gap"), []);
});

test("a page that is offline connects at once when it is online again", async ({ world, browser }) => {
    // What would be waited for otherwise: close to a minute.
    await browser.context.addInitScript("Math.random = () => 0.9");
    const wire = await world.wire();
    const { page } = await world.two(browser, { url: wire.url, backoff: "60000" });
    await online(page);
    await browser.context.setOffline(true);
    wire.cut();
    await until("it is offline", () => state(page), (state) => state === "offline");
    await handOver(page, ["written offline"]);
    const left = () => page.evaluate("client.status.get().retryAt - Date.now()");
    const wait = await until("a later try is due", left, (left) => left > 20_000);
    await browser.context.setOffline(false);
    await online(page, wait / 2);
    await sent(page);
});

test("a token that expires while the page sleeps", async ({ world, browser }) => {
    const { page, other } = await world.two(browser, { ttl: "5s" });
    await online(page);
    await setLife(page, "frozen");
    const asked = await reasons(page);
    const expired = Date.now() + 5_000;
    await handOver(other, texts("asleep", 5));
    await sent(other);
    await until("the last token has expired", () => Date.now() > expired);
    await setLife(page, "active");
    await shows(page, texts("asleep", 5));
    assert((await reasons(page)).length > asked.length, "it has asked for another one");
});

test("a token is replaced before it runs out, and nothing is seen of it", async ({ world, browser }) => {
    const page = await browser.open(world.address(...world.pair(), { ttl: "12s" }));
    await online(page);
    await until("it has asked again, twice", () => reasons(page), (asked) => asked.length > 2);
    assert.deepEqual(new Set((await reasons(page)).slice(1)), new Set(["expiring"]));
    assert(!(await page.evaluate("told.status")).includes("offline"));
});

test("a token of thirty days waits, and does not fire", async ({ world, browser }) => {
    const { page, other } = await world.two(browser, { ttl: "30d" });
    await online(page);
    // Ways there and back, each of which would have let a timer fire.
    for (const text of texts("m", 10)) {
        await handOver(page, [text]);
        await sent(page);
    }
    await shows(other, texts("m", 10));
    assert.deepEqual(await reasons(page), ["first"]);
});

test("who is signed out is not asked again", async ({ world, browser }) => {
    const page = await browser.open(world.address(...world.pair(), { ttl: "3s" }));
    await online(page);
    try {
        world.site.isSignedOut = true;
        await until("it has ended", () => state(page), (state) => state === "ended");
        const asked = (await reasons(page)).length;
        await page.evaluate("dispatchEvent(new Event('online'))");
        assert.equal(await state(page), "ended");
        assert.equal((await reasons(page)).length, asked);
    } finally {
        world.site.isSignedOut = false;
    }
});
