// Nothing is lost, and nothing comes twice, when pages end in the middle.

import assert from "node:assert/strict";
import { until } from "./harness/until.js";
import { handOver, online, sent, showAll, shown, shows, texts, world } from "./harness/world.js";

const test = world();

/** Waits until some of what was handed over is on the server, and some is not. @param {import("playwright-core").Page} page */
async function inTheMiddle(page) {
    const some = (/** @type {import("./harness/world.js").Shown[]} */ seen) => seen.some(({ state }) => state !== "sending");
    const seen = await until("some are sent", () => shown(page), some);
    assert(seen.some(({ state }) => state === "sending"), "not all of them are sent");
}

test("a reload in the middle of sending 200", async ({ world, browser }) => {
    const [ann, ben] = world.pair();
    const [sender, reader] = [await browser.open(world.address(ann, ben)), await browser.open(world.address(ben, ann))];
    await online(sender);
    await handOver(sender, texts("m", 200));
    await inTheMiddle(sender);
    await sender.reload();
    await showAll(sender);
    await shows(reader, texts("m", 200));
    await shows(sender, texts("m", 200));
    await sent(sender);
});

test("a tab that is killed in the middle of sending", async ({ world, browser }) => {
    const [ann, ben] = world.pair();
    const [sender, reader] = [await browser.open(world.address(ann, ben)), await browser.open(world.address(ben, ann))];
    await online(sender);
    await handOver(sender, texts("m", 200));
    await inTheMiddle(sender);
    const crashed = sender.waitForEvent("crash");
    const session = await browser.context.newCDPSession(sender);
    // The answer never comes: who would give it is gone.
    void session.send("Page.crash").catch(() => {});
    await crashed;

    const again = await browser.open(world.address(ann, ben));
    await showAll(again);
    await sent(again);
    const seen = (await shown(again)).map(({ text }) => text);
    assert.deepEqual(seen, texts("m", 200));
    await shows(reader, seen);
});

test("a tab that is closed while its peer writes", async ({ world, browser }) => {
    const [ann, ben] = world.pair();
    const sender = await browser.open(world.address(ann, ben));
    const reader = await browser.open(world.address(ben, ann));
    await handOver(sender, texts("before", 5));
    await shows(reader, texts("before", 5));
    await reader.close();
    await handOver(sender, texts("away", 40));
    await sent(sender);
    // What it shows without being asked for what was earlier: of the store, and what came since.
    const again = await browser.open(world.address(ben, ann));
    await shows(again, [...texts("before", 5), ...texts("away", 40)]);
    await again.reload();
    await shows(again, [...texts("before", 5), ...texts("away", 40)]);
});
