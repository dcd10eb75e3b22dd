// What the tutorial has a newcomer copy, as it stands there.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { until } from "./harness/until.js";
import { world } from "./harness/world.js";

const test = world();
const tutorial = path.resolve(import.meta.dirname, "../../docs/tutorials/in-the-browser.md");

test("the tutorial's own page works beside a running dev", async ({ world, browser }) => {
    const [, copied] = /^```html\n(.*?)^```$/ms.exec(await readFile(tutorial, "utf8")) ?? [];
    assert(copied, `${tutorial} has a page to copy`);
    // The addresses that `dunlin dev` takes where nobody says.
    const page = copied.replaceAll("http://127.0.0.1:8080", world.dev.url).replaceAll("http://127.0.0.1:8090", world.dev.page);
    assert.notEqual(page, copied);
    world.site.pages.set("/index.html", page);
    const tab = await browser.open(`${world.site.url}/index.html`);
    const list = () => tab.locator("li").allTextContents();

    await tab.locator("input").fill("hello from my own page");
    await tab.locator("input").press("Enter");
    await until("it is stored", list, (seen) => seen.join() === "alice: hello from my own page sent");
    const given = JSON.parse(await world.dev.run("listen", "--as", "bob", "--until-caught-up"));
    assert.equal(given.entry.content.message.text, "hello from my own page");
    await world.dev.run("send", "--as", "bob", "alice", "hello to your own page");
    const both = ["alice: hello from my own page delivered", "bob: hello to your own page "];
    await until("both are shown", list, (seen) => seen.join() === both.join());
    await tab.reload();
    await until("both are shown after a reload", list, (seen) => seen.join() === both.join());
});
