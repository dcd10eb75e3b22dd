// The page of `dunlin dev`, as two people use it, and as one breaks it.

import assert from "node:assert/strict";
import { counted, killed, open, Person } from "./harness/page.js";
import { until } from "./harness/until.js";
import { texts, world } from "./harness/world.js";

const test = world("--gateways", "2");

test("two people chat with keys and clicks", async ({ world, browser }) => {
    const { alice, bob } = await open(world, browser);
    await alice.say("Are you there?");
    await until("Bob has it", () => bob.bubble("Are you there?").count());
    await until("it is delivered", () => alice.state("Are you there?"), (state) => state === "Delivered");
    await bob.text.click();
    await until("it is read", () => alice.state("Are you there?"), (state) => state === "Read");

    // What is typed is told just now or not at all: another key tells it again.
    await until("Alice sees him type", async () => {
        await bob.text.pressSequentially("I am");
        return alice.node.locator(".peer .state").textContent();
    }, (state) => /typing/i.test(state ?? ""));
    await bob.text.fill("I am");
    await bob.node.getByRole("button", { name: "Send" }).click();
    await until("Alice has it", () => alice.bubble("I am").count());

    // She may have it before he knows that it is stored.
    await until("it can be edited", () => bob.state("I am"), (state) => state !== "Sending");
    await bob.text.press("ArrowUp");
    await bob.say("I am here");
    await until("Alice has it as it is now", () => alice.bubble("I am here").getByText("edited").count());
    assert.equal(await alice.bubble("I am").count(), 0);

    await alice.bubble("I am here").hover();
    await alice.bubble("I am here").getByRole("button", { name: "React" }).click();
    await alice.bubble("I am here").getByRole("button", { name: "👍" }).click();
    await until("Bob has the reaction", () => bob.bubble("I am here").locator(".under").getByText("👍").count());

    await alice.bubble("I am here").focus();
    await alice.bubble("I am here").press("r");
    await alice.say("Good");
    await until("Bob sees what it answers", () => bob.bubble("Good").locator(".quote").getByText("I am here").count());

    await alice.bubble("Good").hover();
    await alice.bubble("Good").getByRole("button", { name: "Delete" }).click();
    await alice.bubble("Good").getByRole("button", { name: "Delete for all" }).click();
    await until("it is taken back", () => bob.bubble("Good").count(), (count) => count === 0);
});

test("a question stays while the message under it changes", async ({ world, browser }) => {
    const { alice, bob } = await open(world, browser);
    await bob.isOffline(true);
    await alice.say("to be taken back");
    await until("it is stored", () => alice.state("to be taken back"), (state) => state === "Sent");
    const message = alice.bubble("to be taken back");
    await message.hover();
    await message.getByRole("button", { name: "Delete" }).click();
    // The focus stays with Alice, as it does where Bob comes back by himself.
    await bob.node.getByRole("switch", { name: "Offline" }).evaluate((box) => box.click());
    await until("it is delivered", () => alice.state("to be taken back"), (state) => state === "Delivered");
    await message.getByRole("button", { name: "Delete for all" }).click();
    await until("it is taken back", () => bob.bubble("to be taken back").count(), (count) => count === 0);
});

test("no earlier message is edited in the place of one that is not stored", async ({ world, browser }) => {
    const { alice } = await open(world, browser);
    await alice.say("stored");
    await until("it is stored", () => alice.state("stored"), (state) => state !== "Sending");
    await alice.isOffline(true);
    await alice.say("not stored");
    await alice.text.press("ArrowUp");
    assert.equal(await alice.text.inputValue(), "");
    await alice.isOffline(false);
    await until("it can be edited", async () => {
        await alice.text.press("ArrowUp");
        return alice.text.inputValue();
    }, (text) => text === "not stored");
});

test("a second device is there again after a reload, until it is closed", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    const tablet = new Person(page, "tablet");
    await bob.node.getByRole("button", { name: "Open a second device" }).click();
    await page.reload();
    await alice.say("on both of your devices");
    for (const one of [bob, tablet]) await until("it is on a device", () => one.bubble("on both of your devices").count());
    await tablet.node.getByRole("button", { name: "Close this device" }).click();
    await page.reload();
    await until("Bob is online", () => bob.node.locator(".link.online").count());
    assert.equal(await tablet.node.count(), 0);
});

test("Bob is offline for 50 messages, and the page is reloaded", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    await bob.isOffline(true);
    for (const text of texts("away", 50)) await alice.say(text);
    await until("the last one is stored", () => alice.state("away 50"), (state) => state === "Sent");
    assert.deepEqual(await bob.texts("away"), []);
    await page.reload();
    for (const { texts: seen } of [alice, bob].map((person) => ({ texts: () => person.texts("away") }))) {
        await until("all 50 are shown, once and in order", seen, (seen) => seen.join() === texts("away", 50).join());
    }
    await until("the last one is delivered", () => alice.state("away 50"), (state) => state === "Delivered");
});

test("each part is killed ten times while 1,000 are sent", async ({ world, browser }) => {
    const { page } = await open(world, browser);
    await page.getByRole("button", { name: "Send 1,000" }).click();
    for (let time = 1; time <= 10; time += 1) {
        for (const part of ["gateway 1", "gateway 2", "worker", "nats-server"]) await killed(page, part);
    }
    const all = { sent: "1,000", shown: "1,000", twice: "0", gaps: "0" };
    await until("everything that was sent is shown, once", () => counted(page),
        (seen) => Object.entries(all).every(([name, figure]) => seen[name] === figure), 600_000);
});

/** Signs that turn writing around are shown as others that do not. @param {string} text */
const inert = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

test("what others write is shown as text", async ({ world, browser }) => {
    const { page, alice, bob } = await open(world, browser);
    const hostile = [
        `<img src=x onerror="window.hurt = 1">`,
        `<script>window.hurt = 1</script>`,
        `</div></li><iframe srcdoc="<script>parent.hurt = 1</script>">`,
        `javascript:window.hurt=1`,
        `javascript://example.com/%0Awindow.hurt=1`,
        `[a](javascript:window.hurt=1) <a href="javascript:window.hurt=1">b</a>`,
        `https://example.com/"onmouseover="window.hurt=1`,
        `data:text/html,<script>window.hurt=1</script>`,
        `\u202Etxt.exe\u202C and \u2067right to left\u2069, \u202Eleft open`,
        `&lt;b&gt; &amp; {{constructor}} \${1}`,
    ];
    for (const text of hostile) await alice.say(text);
    for (const { node } of [alice, bob]) {
        const seen = () => node.locator(".message .text").allTextContents();
        await until("each is shown as it was written", seen, (seen) => hostile.every((text) => seen.includes(inert(text))));
        assert.equal(await node.locator(".messages :is(img, script, iframe, b)").count(), 0);
        const links = await node.locator(".messages a").evaluateAll((links) => links.map((link) => link.protocol));
        assert(links.length > 0 && links.every((protocol) => protocol === "https:"), `links to ${links}`);
        // What a text does to the direction of writing ends with it.
        const isolated = await node.locator(".message .text").evaluateAll((all) => all.map((one) => getComputedStyle(one).unicodeBidi));
        assert(isolated.every((how) => how === "isolate" || how === "plaintext"), isolated.join());
    }
    // A name can bear no mark-up, but somebody else's is text as well; and what is written over a message is.
    await world.dev.run("send", "--as", "script-alert-1", "alice", hostile[0]);
    await until("Alice can choose the stranger", () => alice.node.getByRole("combobox").getByText("script-alert-1").count());
    await bob.bubble(hostile[0]).focus();
    await bob.bubble(hostile[0]).press("r");
    const harmless = async () => assert.equal(await page.locator("img, iframe, script:not([src])").count(), 0);
    await harmless();
    await bob.say(hostile[2]);
    // So is what the drawers show of it.
    await page.getByRole("button", { name: "Frames" }).click();
    await page.locator("#frames-list summary").filter({ hasText: "srcdoc" }).first().click();
    await until("a frame is shown", () => page.locator("#frames-list pre").filter({ hasText: "srcdoc" }).count());
    await harmless();
    await page.getByRole("button", { name: "Copy this as code" }).click();
    for (const language of ["Rust", "curl", "JavaScript"]) {
        await page.getByRole("combobox", { name: "In" }).selectOption(language);
        await until("code is shown", () => page.locator("#code-text").getByText("srcdoc").count());
        await harmless();
    }
    assert.equal(await page.evaluate("window.hurt"), undefined);
});

test("a link is what it says, and a name is whose it says", async ({ world, browser }) => {
    const { page } = await open(world, browser);
    const seen = await page.evaluate(async () => {
        const { linked, nameGroup, nameOf } = await import("/words.js");
        const links = (text) => linked(text).filter((part) => part.href).map((link) => link.textContent);
        nameGroup("mallory", "Alice");
        return {
            links: ["(see https://example.com/a_(b)).", "https://example.com/[1]]", "https://google.com@127.0.0.1:1/x", "https://a.test\u202e/b"].map(links),
            names: ["alice", "Bob", "constructor", "__proto__", "mallory"].map(nameOf),
            turned: linked("\u202ea\u2067").join(""),
        };
    });
    assert.deepEqual(seen, {
        links: [["https://example.com/a_(b)"], ["https://example.com/[1]"], [], ["https://a.test"]],
        names: ["Alice", "“Bob”", "“constructor”", "“__proto__”", "“mallory”"],
        turned: "\ufffda\ufffd",
    });
});

test("the counter sees what is lost, comes twice, or to somebody it is not for", async ({ world, browser }) => {
    const { page } = await open(world, browser);
    const seen = await page.evaluate(async () => {
        const { Count, runText } = await import("/count.js");
        const [count, people] = [new Count(), {}];
        for (const [user, peer] of [["alice", "bob"], ["bob", "alice"], ["alice", "#t"], ["bob", "#t"], ["carol", "#t"]]) {
            const one = (people[user + peer] = { all: [], told: [] });
            const on = (kind, f) => kind === "entry" && one.told.push(f);
            const subscribe = (f) => (one.show = (...messages) => f((one.all = [...one.all, ...messages])));
            count.follow({ user, client: { conversation: () => ({ messages: { subscribe } }), on } }, peer, () => {});
        }
        const say = (from, peer, order, text = "a") => {
            const one = people[from + peer];
            const key = `k${order}`;
            one.show({ key, state: "sending" });
            one.all.pop();
            one.show({ key, id: `${order}`, from, order, state: "sent", mine: true });
            return { id: `${order}`, from, order, content: { message: { text } } };
        };
        const give = (said, to, peer) => people[to + peer].told.forEach((tell) => tell({ log: peer[0] === "#" ? peer : "mailbox", ...said }));
        const show = (to, order, event) => people[`${to}#t`].show({ key: `e${order}`, id: `${order}`, from: "alice", order, mine: false, event });
        const figures = () => {
            const { sent, waits, twice, astray, missing } = count.settle();
            return [sent, waits.length, twice, astray, missing].join();
        };
        const steps = [];
        const step = (act) => {
            act();
            steps.push(figures());
        };
        const [first, second] = [say("alice", "bob", 1), say("alice", "bob", 2)];
        step(() => {});
        step(() => give(second, "bob", "alice"));
        step(() => give(first, "bob", "alice"));
        step(() => give(first, "bob", "alice"));
        step(() => give({ ...first, from: "mallory" }, "bob", "alice"));
        const run = say("alice", "bob", 3, runText(1, "x"));
        step(() => give(run, "bob", "alice"));
        step(() => give({ ...run, id: "again" }, "bob", "alice"));
        const inGroup = say("alice", "#t", 10);
        step(() => give(inGroup, "bob", "#t"));
        step(() => give(inGroup, "carol", "#t"));
        show("carol", 20, { change: "removed", users: ["carol"], by: "alice" });
        const meanwhile = say("alice", "#t", 25);
        step(() => give(meanwhile, "bob", "#t"));
        step(() => show("carol", 25, null));
        show("carol", 30, { change: "added", users: ["carol"], by: "alice" });
        step(() => give(say("alice", "#t", 35), "bob", "#t"));
        return steps;
    });
    // Sent, shown to all whom it is for, twice, astray, and missing.
    assert.deepEqual(seen, [
        "2,0,0,0,0", "2,1,0,0,1", "2,2,0,0,0", "2,2,1,0,0", "2,2,1,0,0", "3,3,1,0,0", "3,3,2,0,0",
        "4,3,2,0,0", "4,4,2,0,0", "5,5,2,0,0", "5,5,2,1,0", "6,5,2,1,0",
    ]);
});

test("everything is gone where `dunlin dev` is", async ({ world, browser }) => {
    const { page } = await open(world, browser);
    await page.route("**/dev/parts", (route) => route.abort());
    await until("all parts are gone", () => page.locator("#parts p").allTextContents(),
        (parts) => parts.length > 0 && parts.every((how) => how === "is gone"));
});

test("what no gateway lets through would be shown as text", async ({ world, browser }) => {
    const { page } = await open(world, browser);
    const hostile = `<img src=x onerror="window.hurt = 1">`;
    const { kinds, text } = await page.evaluate(async (hostile) => {
        const { makeRow } = await import("/message.js");
        const { filesOf } = await import("/files.js");
        const { node, draw } = makeRow(filesOf(document.querySelector(".side"), {}, () => {}));
        const message = {
            key: hostile, id: hostile, from: hostile, mine: false, time: 0, text: null, data: new Uint8Array(1), attachments: [{ media: hostile, name: hostile, size: 1, type: hostile }],
            replyTo: hostile, edited: true, deleted: false, reactions: [{ emoji: hostile, from: [hostile, hostile], mine: true }],
            state: "failed", error: { code: hostile, message: hostile },
        };
        draw(message, { ...message, text: hostile });
        document.body.append(node);
        node.dispatchEvent(new Event("pointerenter"));
        return { kinds: [...node.querySelectorAll("*")].map(({ localName }) => localName), text: node.textContent };
    }, hostile);
    assert.deepEqual(new Set(kinds), new Set(["div", "span", "bdi", "button"]));
    // Who says it, whom it answers and what they said, a file, the reaction, and why it failed.
    assert.equal(text.split(hostile).length - 1, 6, text);
});

test("the page asks nobody else for anything, and breaks none of its own rules", async ({ world, browser }) => {
    const asked = new Set();
    const ask = (/** @type {{ url: () => string }} */ what) => asked.add(new URL(what.url()).host);
    browser.context.on("request", ask);
    browser.context.on("page", (page) => page.on("websocket", ask));
    const { page, alice, bob } = await open(world, browser);
    await alice.say("to look at");
    await until("Bob has it", () => bob.bubble("to look at").count());
    const parts = await page.evaluate("fetch('/dev/parts').then((answer) => answer.json())");
    const own = [world.dev.page, ...parts.gateways.map(({ url }) => url)].map((url) => new URL(url).host);
    assert(parts.gateways.some(({ url }) => asked.has(new URL(url).host)), "what is asked is seen");
    assert.deepEqual([...asked].filter((host) => !own.includes(host)), []);
    assert.deepEqual(browser.said, []);
});

test("a tab that shares a connection says where frames pass", async ({ world, browser }) => {
    /** What is told in the place of frames, in a tab of its own. */
    const tab = async () => {
        const { page } = await open(world, browser);
        await page.getByRole("button", { name: "Frames" }).click();
        return () => page.locator("#frames-list").evaluate((list) => getComputedStyle(list, "::after").content);
    };
    await until("the first one shows frames", await tab(), (told) => told === "none");
    assert.match(await (await tab())(), /in the one that has it/);
});
