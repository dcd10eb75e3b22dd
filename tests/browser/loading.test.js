// What the library loads when it is first used can be lost on its way.

import assert from "node:assert/strict";
import { until } from "./harness/until.js";
import { handOver, online, sent, shows, texts, world } from "./harness/world.js";

const test = world();

/**
 * Has a module of the library be lost on its way to a tab, until the result is called; which addresses it was asked for at.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
async function lose(page, name) {
    /** @type {string[]} */
    const asked = [];
    const module = new RegExp(`/dunlin/${name}\\.js`);
    await page.route(module, (route) => {
        asked.push(route.request().url());
        return route.abort();
    });
    return { asked, find: () => page.unroute(module) };
}

test("what is sent while the engine is lost is kept over a reload, and goes once it is found", async ({ world, browser }) => {
    const [ann, ben] = world.pair();
    const page = await browser.open("about:blank");
    const { asked, find } = await lose(page, "engine");
    await page.goto(world.address(ann, ben));
    await handOver(page, texts("mine", 5));
    await shows(page, texts("mine", 5));
    await until("it is asked for again, under another address", async () => asked, (all) => all.some((url) => /\?\d+$/.test(url)));
    await page.reload();
    await shows(page, texts("mine", 5));
    await handOver(page, ["mine 6"]);
    assert.equal(await page.evaluate("client.status.get().state"), "connecting");
    await until("that is said", () => page.evaluate("told.error.map(({ code }) => code).join()"), (codes) => codes.startsWith("notLoaded"));
    await find();
    await online(page);
    await sent(page);
    const reader = await browser.open(world.address(ben, ann));
    await shows(reader, texts("mine", 6));
});

test("older messages, and the list, where a part was lost at first", async ({ world, browser }) => {
    const { ann, ben, page: writer } = await world.two(browser);
    await handOver(writer, texts("old", 60));
    await sent(writer);
    const page = await browser.open("about:blank");
    const { find } = await lose(page, "conversation/pages");
    await page.goto(world.address(ben, ann, { device: "second", start: "live" }));
    await online(page);
    const older = page.evaluate("talk.older(100)");
    await find();
    assert.equal(await older, false);
    await shows(page, texts("old", 60));
    await until("it is listed", () => page.evaluate("client.conversations.get().map(({ with: peer }) => peer).join()"), (peers) => peers === ann);
});
