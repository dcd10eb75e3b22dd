// Files on the page of `dunlin dev`: chosen, dropped and pasted, on their way, and as the others have them.

import assert from "node:assert/strict";
import { killed, open, openTeam } from "./harness/page.js";
import { until } from "./harness/until.js";
import { world } from "./harness/world.js";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("./harness/page.js").Person} Person */
/** @typedef {{ name: string, type?: string, text?: string, sides?: [number, number], size?: number }} Made */

const test = world("--gateways", "2");

/**
 * What a drop or a paste brings: a text, a picture that is red at its left and blue at its right, or bytes by chance.
 *
 * @param {Page} page
 * @param {Made[]} files
 */
function transfer(page, ...files) {
    return page.evaluateHandle(async (files) => {
        const transfer = new DataTransfer();
        for (const { name, type = "", text = "", sides, size = 0 } of files) {
            /** @type {BlobPart[]} */
            const parts = [text];
            if (sides) {
                const canvas = new OffscreenCanvas(...sides);
                const pen = canvas.getContext("2d");
                for (const [at, colour] of ["red", "blue"].entries()) {
                    pen.fillStyle = colour;
                    pen.fillRect((at * sides[0]) / 2, 0, sides[0] / 2, sides[1]);
                }
                parts.push(await canvas.convertToBlob());
            }
            for (let left = size; left > 0; left -= 65_536) parts.push(crypto.getRandomValues(new Uint8Array(Math.min(left, 65_536))));
            transfer.items.add(new File(parts, name, { type: sides ? "image/png" : type }));
        }
        return transfer;
    }, files);
}

/** Drops files on somebody's side. @param {Person} person @param {Made[]} files */
async function drop(person, ...files) {
    await person.node.dispatchEvent("drop", { dataTransfer: await transfer(person.node.page(), ...files) });
    await until("they are beside the composer", () => person.node.locator(".chosen li").count(), (count) => count >= files.length);
}

/** Says something, or nothing, once its files are there. @param {Person} person */
async function send(person, text = "") {
    await until("all is there", () => person.node.getByRole("button", { name: "Send" }).isEnabled());
    await person.say(text);
    await until("they are sent", () => person.node.locator(".chosen li").count(), (count) => count === 0);
}

/** Has what leaves the page go slowly, in bytes a second. @param {Page} page @param {number} speed */
async function upload(page, speed) {
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: speed });
}

/** The SHA-256 of what a file's button leads to, where a click on it would. @param {Person} person @param {string} name */
async function saved(person, name) {
    const page = person.node.page();
    const link = page.evaluate(() => new Promise((resolve) => {
        HTMLAnchorElement.prototype.click = function () {
            resolve(this.href);
        };
    }));
    await person.node.getByRole("button", { name }).click();
    return { url: await link, hash: await hash(page, await link) };
}

/** @param {Page} page @param {string} url */
function hash(page, url) {
    return page.evaluate(async (url) => {
        const bytes = await (await fetch(url)).arrayBuffer();
        return [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].join();
    }, url);
}

/** What is in the middle of the left half and of the right half of a picture. @param {import("playwright-core").Locator} image */
function halves(image) {
    return image.evaluate(async (image) => {
        const source = image instanceof HTMLCanvasElement ? image : await createImageBitmap(await (await fetch(image.src)).blob());
        const canvas = new OffscreenCanvas(source.width, source.height);
        const pen = canvas.getContext("2d", { willReadFrequently: true });
        pen.drawImage(source, 0, 0);
        const at = (share) => [...pen.getImageData(share * source.width, source.height / 2, 1, 1).data];
        return [at(1 / 4), at(3 / 4)];
    });
}

const RED_BLUE = [[255, 0, 0, 255], [0, 0, 255, 255]];
/** @param {number[][]} seen */
const isRedBlue = (seen) => seen.flat().every((value, at) => Math.abs(value - RED_BLUE.flat()[at]) < 60);

/** @param {import("playwright-core").Locator} image */
const width = (image) => image.evaluate((image) => image.naturalWidth);

test("a picture that is dropped is seen by the other one: a blur, small, in full size, and after a reload", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    // The gateways give no pictures for now.
    let release = () => {};
    const held = new Promise((resolve) => (release = () => resolve(undefined)));
    await page.route("**/v1/media/**", async (route) => {
        if (route.request().method() === "GET") await held;
        await route.continue();
    });
    await drop(alice, { name: "beach.png", sides: [1200, 800] });
    await send(alice);
    const [own, picture] = [alice, bob].map(({ node }) => node.getByRole("button", { name: "beach.png" }));
    await until("Bob has it", () => picture.count());
    await until("it is in view", async () => (await picture.boundingBox())?.width);
    const place = await picture.boundingBox();
    assert(Math.abs(place.width / place.height - 1.5) < 0.02, `it has its place: ${JSON.stringify(place)}`);
    assert(isRedBlue(await halves(picture.locator("canvas"))), "its blur is there");
    assert.equal(await width(picture.locator("img")), 0);
    await until("Alice sees it at once", () => width(own.locator("img")), (width) => width === 1200);

    release();
    await until("Bob sees it small", () => width(picture.locator("img")), (width) => width === 320);
    assert(isRedBlue(await halves(picture.locator("img"))));
    assert.deepEqual(await picture.boundingBox(), place, "nothing has moved");
    assert.equal(await picture.locator("canvas").count(), 0, "nothing shines through a picture that is clear");

    await picture.focus();
    await picture.press("Enter");
    const full = page.getByRole("dialog", { name: "beach.png" }).locator("img");
    await until("Bob sees all of it", () => width(full), (width) => width === 1200);
    assert.deepEqual(await halves(full), RED_BLUE);
    await page.keyboard.press("Escape");
    assert.equal(await full.count(), 0);
    assert(await picture.evaluate((picture) => picture === document.activeElement), "he is where he was");

    await page.reload();
    for (const one of [own, picture]) {
        await until("it is there again", () => width(one.locator("img")), (width) => width === 320);
        assert(isRedBlue(await halves(one.locator("img"))));
    }
    assert.deepEqual(browser.said, []);
});

test("pictures are pasted, files are chosen, and all of it is one message with a text", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    const paste = async (/** @type {Made} */ file, text = "") => alice.text.evaluate((node, { transfer, text }) => {
        if (text) transfer.setData("text/plain", text);
        node.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
    }, { transfer: await transfer(page, file), text });
    // A table has a picture of it beside it.
    await paste({ name: "image.png", sides: [30, 20] }, "a table");
    assert.equal(await alice.node.locator(".chosen li").count(), 0);
    await paste({ name: "image.png", sides: [30, 20] });
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), alice.node.locator(".attach").click()]);
    assert(chooser.isMultiple());
    const buffer = Buffer.from("one,two\n");
    await chooser.setFiles([{ name: "a.csv", mimeType: "text/csv", buffer }, { name: "again.csv", mimeType: "text/csv", buffer }]);
    // The same bytes are the same file.
    await until("each is there once", () => alice.node.locator(".chosen li").count(), (count) => count === 2);
    await send(alice, "both of them");
    const message = bob.bubble("both of them");
    await until("Bob has it", () => message.count());
    const picture = message.getByRole("button", { name: "image.png" }).locator("img");
    await until("the picture is there", () => width(picture), (width) => width === 30);
    assert.match(await message.locator(".file").innerText(), /\.csv\s+1 kB/);
    assert.equal(await message.getByRole("button", { name: /image|csv/ }).count(), 2);
    // As a program would send it.
    await page.getByRole("button", { name: "Copy this as code" }).click();
    const words = { JavaScript: /"attachments":\[\{"media":"\w{26}","name":"image.png"/, Rust: /Attachment::named\("/, curl: /"attachments"/ };
    for (const [language, word] of Object.entries(words)) {
        await page.getByRole("combobox", { name: "In" }).selectOption(language);
        await until(`it is ${language}`, () => page.locator("#code-text").textContent(), (text) => word.test(text));
    }
    await drop(bob, ...Array.from({ length: 16 }, (_, at) => ({ name: `${at}.txt`, text: `${at}` })));
    await bob.node.dispatchEvent("drop", { dataTransfer: await transfer(page, { name: "one.more", text: "more" }) });
    await until("that is too many", () => bob.node.getByRole("alert").getByText("16 files").isVisible());
    assert.equal(await bob.node.locator(".chosen li").count(), 16);
});

test("20 MiB arrive whole while gateways are killed", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    await upload(page, 4 * 2 ** 20);
    const dropped = await transfer(page, { name: "long.bin", size: 20 * 2 ** 20 });
    const before = await dropped.evaluate(async (transfer) => [
        ...new Uint8Array(await crypto.subtle.digest("SHA-256", await transfer.files[0].arrayBuffer()))].join());
    await alice.node.dispatchEvent("drop", { dataTransfer: dropped });
    const bar = alice.node.getByRole("progressbar", { name: "Upload of long.bin" });
    const share = () => bar.evaluate((bar) => bar.value);
    await until("it is on its way", share, (share) => share > 0.2 && share < 0.9);
    for (const part of ["gateway 1", "gateway 2", "worker"]) await killed(page, part);
    await until("it goes on", share, (share) => share > 0.9 && share < 1);
    await send(alice);
    const file = bob.node.getByRole("button", { name: "long.bin 20,972 kB" });
    await until("Bob has it", () => file.count());
    assert.equal((await saved(bob, "long.bin")).hash, before);
});

test("what is taken back on its way is not sent", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    await upload(page, 2 ** 20);
    const ended = page.waitForEvent("requestfailed", (request) => request.method() === "PUT");
    await drop(alice, { name: "secret.bin", size: 8 * 2 ** 20 });
    const share = () => alice.node.getByRole("progressbar").evaluate((bar) => bar.value);
    await until("it is on its way", share, (share) => share > 0.1 && share < 1);
    // What is said with it waits for it, or until that is taken back.
    await alice.say("with it");
    assert.equal(await alice.text.inputValue(), "with it");
    assert(await alice.node.getByRole("button", { name: "Send" }).isDisabled());
    await alice.text.press("Escape");
    await alice.say("without it");
    assert.equal(await alice.text.inputValue(), "without it");
    await alice.node.getByRole("button", { name: "Take back secret.bin" }).click();
    await ended;
    assert.equal(await alice.node.locator(".chosen li").count(), 0);
    await until("Bob has the words", () => bob.bubble("without it").count());
    assert.deepEqual(await bob.texts("with"), ["without it"]);
    for (const person of [alice, bob]) {
        assert.equal(await person.bubble("without it").locator(".files *").count(), 0);
        assert.equal(await person.node.getByText("secret.bin").count(), 0);
    }
});

test("what can't be sent is told beside it, and can be tried again", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    await drop(alice, { name: "nothing.txt" }, { name: "lie.png", type: "image/png", text: "<script>window.hurt = 1</script>" });
    const chip = (/** @type {string} */ name) => alice.node.locator(".chosen li").filter({ hasText: name });
    await until("a file has bytes", () => chip("nothing.txt").getByText("1 byte to 100 MiB").count());
    await until("it is no picture", () => chip("lie.png").locator(".bad").count());
    await alice.say("not without them");
    assert.equal(await alice.text.inputValue(), "not without them");
    await alice.text.press("Escape");
    for (const name of ["nothing.txt", "lie.png"]) await chip(name).getByRole("button", { name: `Take back ${name}` }).click();

    await page.route("**/v1/media/uploads/**", (route) => route.abort());
    await drop(alice, { name: "note.txt", text: "kept" });
    await until("it did not get through", () => chip("note.txt").locator(".bad").count());
    await page.unroute("**/v1/media/uploads/**");
    await chip("note.txt").getByRole("button", { name: "Try again" }).click();
    await send(alice, "at last");
    await until("Bob has it", () => bob.bubble("at last").getByRole("button", { name: "note.txt" }).count());
});

test("what is said while a file is on its way goes with it, to whom it was said, and takes nobody away from elsewhere", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    await upload(page, 2 ** 20);
    await drop(alice, { name: "slow.bin", size: 2 ** 20 });
    await alice.say("look at this");
    assert.equal(await bob.bubble("look at this").count(), 0);
    await bob.text.focus();
    await until("Bob has it", () => bob.bubble("look at this").getByRole("button", { name: "slow.bin" }).count());
    assert.deepEqual([await alice.text.inputValue(), await alice.text.isEditable()], ["", true]);
    assert(await bob.text.evaluate((text) => text === document.activeElement), "Bob writes on");

    // In a conversation that is opened meanwhile it is not said.
    await drop(alice, { name: "later.bin", size: 2 ** 20 });
    await alice.say("for Bob alone");
    await page.getByRole("button", { name: "Make one of three" }).click();
    await until("it is made", () => alice.node.locator(".event").count());
    await until("the file is there", () => alice.node.getByRole("progressbar").isHidden());
    assert.equal(await alice.text.inputValue(), "for Bob alone");
    assert.equal(await alice.bubble("for Bob alone").count(), 0);
});

test("a side shows that it takes what is dragged over it", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    const isOver = (/** @type {Person} */ { node }) => node.evaluate((node) => getComputedStyle(node).outlineStyle !== "none");
    const drag = async (/** @type {string} */ type, /** @type {Made[]} */ ...files) =>
        alice.node.locator(".scroll").dispatchEvent(type, { dataTransfer: await transfer(page, ...files) });
    await drag("dragover", { name: "a.txt", text: "a" });
    assert.deepEqual([await isOver(alice), await isOver(bob)], [true, false]);
    await drag("dragleave");
    assert.equal(await isOver(alice), false);
    await drag("dragover", { name: "a.txt", text: "a" });
    await drop(alice, { name: "a.txt", text: "a" });
    assert.equal(await isOver(alice), false);
    await drag("dragover");
    assert.equal(await isOver(alice), false, "a text that is dragged is none of its own");
});

test("names are text, and nothing that was sent runs", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    const script = `<script>(opener ?? parent).hurt = 1; alert(1)</script>`;
    const names = [`<img src=x onerror="window.hurt=1">.png`, `\u202egnp.<img src=x onerror="window.hurt=1">`, "drawing.svg", "page.html"];
    await drop(alice,
        { name: names[0], sides: [60, 40] },
        { name: names[1], text: "MZ" },
        { name: names[2], type: "image/svg+xml", text: `<svg xmlns="http://www.w3.org/2000/svg" onload="parent.hurt=1">${script}</svg>` },
        { name: names[3], type: "text/html", text: `<!doctype html>${script}` });
    const titles = names.map((name) => name.replace("\u202e", "\ufffd"));
    assert.deepEqual(await alice.node.locator(".chosen bdi").allTextContents(), titles);
    await send(alice, "names");
    const message = bob.bubble("names");
    await until("the picture is there", () => width(message.locator("img")), (width) => width === 60);
    assert.equal(await message.locator("img").getAttribute("alt"), titles[0]);
    assert.deepEqual(await message.locator(".file bdi").allTextContents(), titles.slice(1));
    assert.equal(await message.locator(":is(svg, script, iframe, object, embed)").count(), 0);
    for (const name of ["drawing.svg", "page.html"]) {
        const { url } = await saved(bob, name);
        const headers = (await page.request.get(url)).headers();
        assert.match(headers["content-disposition"], /^attachment/);
        assert.match(headers["content-security-policy"], /sandbox/);
    }
    // What is over the composer, and what is told, is text as well.
    await drop(bob, { name: names[0], sides: [6, 4] });
    await send(bob);
    const last = alice.node.locator(".message:not(.mine)").last();
    await until("Alice has it", () => last.locator("img").count());
    await last.focus();
    await last.press("r");
    assert.equal(await alice.node.locator(".about span").textContent(), titles[0]);
    assert.equal(await page.evaluate("window.hurt"), undefined);
    assert.deepEqual(browser.said, []);
});

test("a picture is seen by all of a group, and fits a phone", async ({ world, browser }) => {
    const { page, alice, bob, carol } = await openTeam(world, browser);
    await drop(bob, { name: "high.png", sides: [300, 3000] }, { name: "wide.png", sides: [3000, 300] });
    await send(bob, "from Bob");
    for (const person of [alice, carol]) {
        for (const name of ["high.png", "wide.png"]) {
            const picture = person.bubble("from Bob").getByRole("button", { name }).locator("img");
            await until("it is there", () => width(picture));
        }
    }
    await page.setViewportSize({ width: 320, height: 640 });
    for (const selector of [".scroll", ".composer"]) {
        const fits = await alice.node.locator(selector).evaluate((node) => node.scrollWidth <= node.clientWidth);
        assert(fits, `${selector} is within its side`);
    }
    const box = await alice.bubble("from Bob").getByRole("button", { name: "wide.png" }).boundingBox();
    assert(box.x >= 0 && box.x + box.width <= 320, JSON.stringify(box));
});
