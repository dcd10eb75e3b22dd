// A group on the page of `dunlin dev`: three people, more of them, one who is taken out and let in again, and parts that are killed.

import assert from "node:assert/strict";
import { counted, killed, openTeam } from "./harness/page.js";
import { until } from "./harness/until.js";
import { texts, world } from "./harness/world.js";

const test = world("--gateways", "2");

/** Waits until each of them shows exactly these texts of those that begin with a word. */
async function shown(all, word, texts) {
    for (const person of all) {
        await until(`${texts.length} are shown, once and in order`, () => person.texts(word), (seen) => seen.join() === texts.join());
    }
}

test("three people talk in a group with keys and clicks", async ({ world, browser }) => {
    const { page, alice, bob, carol, all } = await openTeam(world, browser);
    for (const { text } of all) {
        await until("it says to whom", () => text.getAttribute("placeholder"), (told) => told === "Message to The three");
    }
    assert(await page.locator("#team-deeds").evaluate((row) => row.scrollWidth <= row.clientWidth), "the buttons are within their card");
    await alice.say("Is everybody here?");
    await bob.say("I am");
    for (const { node } of all) await until("it is there", () => node.locator(".text").getByText("I am", { exact: true }).count());
    await until("it says who said it", () => carol.bubble("Is everybody here?").locator(".whose").getByText("Alice").isVisible());
    await alice.text.click();
    await until("both names are told apart", () => alice.bubble("I am").locator(".whose").getByText("Bob").count());
    await bob.bubble("Is everybody here?").focus();
    await bob.bubble("Is everybody here?").press("r");
    await bob.say("Yes");
    await until("Carol sees what it answers", () => carol.bubble("Yes").locator(".quote").getByText("Is everybody here?").count());
    await carol.bubble("Yes").hover();
    await carol.bubble("Yes").getByRole("button", { name: "React" }).click();
    await carol.bubble("Yes").getByRole("button", { name: "👍" }).click();
    await until("Alice sees it", () => alice.bubble("Yes").locator(".under").getByText("👍").count());
    await until("it can be edited", () => bob.state("Yes"), (state) => state !== "Sending");
    await bob.text.press("ArrowUp");
    await bob.say("No");
    for (const person of all) await until("it is as it is now", () => person.bubble("No").getByText("edited").count());
    await bob.bubble("No").hover();
    await bob.bubble("No").getByRole("button", { name: "Delete" }).click();
    await bob.bubble("No").getByRole("button", { name: "Delete for all" }).click();
    for (const person of all) await until("it is taken back", () => person.bubble("No").count(), (count) => count === 0);
});

test("who is removed is shown nothing of what is said until they are added again", async ({ world, browser }) => {
    const { page, alice, bob, carol, all } = await openTeam(world, browser);
    await alice.say("said 1");
    await shown(all, "said", ["said 1"]);
    await page.getByRole("button", { name: "Remove Carol" }).click();
    await until("Carol can't write", () => carol.text.isDisabled());
    await alice.say("said 2");
    await shown([alice, bob], "said", ["said 1", "said 2"]);
    await page.getByRole("button", { name: "Add Carol" }).click();
    await until("Carol can write", () => carol.text.isEnabled());
    await bob.say("said 3");
    await shown([alice, bob], "said", ["said 1", "said 2", "said 3"]);
    await shown([carol], "said", ["said 1", "said 3"]);
    assert.equal((await counted(page)).twice, "0");
    await page.reload();
    await shown([alice, bob], "said", ["said 1", "said 2", "said 3"]);
    await shown([carol], "said", ["said 1", "said 3"]);
});

test("1,000 more members are added, and what is said comes to the three", async ({ world, browser }) => {
    const { page, alice, all } = await openTeam(world, browser);
    await page.getByRole("button", { name: "Add 1,000 members" }).click();
    await until("all are added", () => page.locator("#team-said").textContent(), (said) => said === "1,000 of 1,000 added");
    await until("it is said in words", () => alice.node.locator(".event").getByText("and 253 more").count());
    await alice.say("to all of you");
    for (const person of all) await until("it is there", () => person.bubble("to all of you").count());
});

test("a group is there after a reload, with what was said while two were offline", async ({ world, browser }) => {
    const { page, alice, bob, carol, all } = await openTeam(world, browser);
    await bob.isOffline(true);
    await carol.isOffline(true);
    for (const text of texts("away", 30)) await alice.say(text);
    await until("the last one is stored", () => alice.state("away 30"), (state) => state === "Sent");
    assert.deepEqual(await bob.texts("away"), []);
    await bob.say("unsent");
    await page.reload();
    await shown(all, "away", texts("away", 30));
    await shown(all, "unsent", ["unsent"]);
});

test("nats-server and a gateway are killed while 1,000 are sent to a group", async ({ world, browser }) => {
    const { page, alice } = await openTeam(world, browser);
    await page.getByRole("button", { name: "Send 1,000" }).click();
    for (let time = 1; time <= 2; time += 1) for (const part of ["nats-server", "gateway 1", "worker", "gateway 2"]) await killed(page, part);
    const whole = { sent: "1,000", shown: "1,000", twice: "0", gaps: "0" };
    await until("everything that was sent is shown to all, once", () => counted(page),
        (seen) => Object.entries(whole).every(([name, figure]) => seen[name] === figure), 600_000);
    assert.equal(await alice.node.locator(".failed").count(), 0);
});
