// The page of `dunlin dev`, as tests use it.

import { until } from "./until.js";

/** @typedef {import("playwright-core").Page} Page */

/** One of the people, as they stand on the page. */
export class Person {
    /**
     * @param {Page} page
     * @param {string} name
     */
    constructor(page, name) {
        this.node = page.locator(`.side[data-name="${name}"]`);
        this.text = this.node.locator("textarea");
    }

    /** Says something with keys alone. @param {string} text */
    async say(text) {
        await this.text.fill(text);
        await this.text.press("Enter");
    }

    /** Takes the network away, or gives it back. @param {boolean} so */
    async isOffline(so) {
        await this.node.getByRole("switch", { name: "Offline" }).setChecked(so);
        await until("it is noticed", () => this.node.locator(so ? ".link.offline" : ".link.online").count());
    }

    /** The bubble with a text. @param {string} text */
    bubble(text) {
        return this.node.locator(".message").filter({ has: this.node.page().locator(".text").getByText(text, { exact: true }) });
    }

    /** The texts that are shown and begin with a word. @param {string} word @returns {Promise<string[]>} */
    async texts(word) {
        const all = await this.node.locator(".message .text").allTextContents();
        return all.filter((text) => text.startsWith(word));
    }

    /** How far a message came, as somebody who can't see ticks is told. @param {string} text */
    async state(text) {
        return (await this.bubble(text).locator(".state").textContent())?.trim();
    }
}

/**
 * The page, once both are online.
 *
 * @param {import("./world.js").World} world
 * @param {import("./browser.js").Browser} browser
 */
export async function open(world, browser) {
    const page = await browser.open(world.dev.page);
    const [alice, bob] = [new Person(page, "alice"), new Person(page, "bob")];
    for (const { node } of [alice, bob]) await until("somebody is online", () => node.locator(".link.online").count());
    return { page, alice, bob };
}

/**
 * The page with a group of three, made with a click.
 *
 * @param {import("./world.js").World} world
 * @param {import("./browser.js").Browser} browser
 */
export async function openTeam(world, browser) {
    const { page, alice, bob } = await open(world, browser);
    await page.getByRole("button", { name: "Make one of three" }).click();
    const carol = new Person(page, "carol");
    const all = [alice, bob, carol];
    for (const { node } of all) {
        await until("it is made", () => node.locator(".event").getByText("Alice made the group with Bob, Carol").count());
    }
    return { page, alice, bob, carol, all };
}

/** @param {Page} page @returns {Promise<Record<string, string>>} what the counter says */
export function counted(page) {
    return page.evaluate(() => Object.fromEntries(["sent", "shown", "twice", "gaps", "longest"].map((name) =>
        [name, document.querySelector(`#count-${name}`).textContent])));
}

/** Kills a part, and waits until it runs again. @param {Page} page @param {string} part */
export async function killed(page, part) {
    const kill = page.getByRole("button", { name: `Kill ${part}` });
    const how = page.locator("#parts li").filter({ has: kill }).locator("p");
    const before = await how.textContent();
    await kill.click();
    await until(`${part} is another process`, () => how.textContent(), (now) => now !== before && /^process \d+/.test(now ?? ""));
}
