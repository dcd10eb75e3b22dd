// Nothing is lost, and nothing comes twice, when pages end in the middle.

import assert from "node:assert/strict";
import { until } from "./harness/until.js";
import { handOver, online, sent, showAll, shown, shows, texts, world } from "./harness/world.js";

const test = world();

/**
 * Hands texts over, until some are on the server: the page itself looks for that, since it has sent all of them soon.
 *
 * @param {import("playwright-core").Page} page
 * @param {string[]} texts
 */
function sendSome(page, texts) {
    return page.evaluate((texts) => new Promise((done) => {
        window.talk.messages.subscribe((all) => all.some(({ state }) => state === "sent") && done());
        texts.forEach((text) => window.talk.send(text));
    }), texts);
}

test("a reload in the middle of sending 200", async ({ world, browser }) => {
    const { page: sender, other: reader } = await world.two(browser);
    await online(sender);
    await sendSome(sender, texts("m", 200));
    await sender.reload();
    await showAll(sender);
    await shows(reader, texts("m", 200));
    await shows(sender, texts("m", 200));
    await sent(sender);
});

test("a tab that is killed in the middle of sending", async ({ world, browser }) => {
    const { ann, ben, page: sender, other: reader } = await world.two(browser);
    await online(sender);
    await sendSome(sender, texts("m", 200));
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
    const { ann, ben, page: sender, other: reader } = await world.two(browser);
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

test("a reload without a gateway shows what is kept", async ({ world, browser }) => {
    const wire = await world.wire();
    const { ann, ben, page, other } = await world.two(browser, { url: wire.url });
    await online(page);
    const [stranger] = world.pair();
    await world.dev.run("send", "--as", stranger, ann, "hello");
    await handOver(other, texts("kept", 5));
    const list = () => page.evaluate("client.conversations.get().map(({ with: peer, last }) => `${peer}: ${last.text}`)");
    const whole = (/** @type {string[]} */ seen) => seen.join() === [`${ben}: kept 5`, `${stranger}: hello`].join();
    await until("both are listed", list, whole);
    wire.stop();
    await page.reload();
    await shows(page, texts("kept", 5));
    await until("both are listed", list, whole);
});
