// What a test of the library has: a region, a site, a browser, and clients in its tabs.

import { after, before, test } from "node:test";
import { Browser } from "./browser.js";
import { Dev } from "./dev.js";
import { Site } from "./site.js";
import { until } from "./until.js";
import { Wire } from "./wire.js";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{ id: string, text: string, state: string, mine: boolean, from: string }} Shown */

/** A test takes no longer, whatever it waits for: long enough that a wait says itself what it saw last. */
const WITHIN = 900_000;

/**
 * Declares a file's region, made before its tests; and gives what declares its tests, each with a browser of its own.
 *
 * @param {string[]} options of `dunlin dev`
 */
export function world(...options) {
    /** @type {World} */
    let world;
    before(async () => {
        const dev = await Dev.start(...options);
        world = new World(dev, await Site.start(dev));
    });
    after(() => world?.stop());
    /**
     * @param {string} name
     * @param {(given: { world: World, browser: Browser }) => Promise<void>} run
     */
    return (name, run) => test(name, async () => {
        const browser = await Browser.start();
        const late = new Promise((_, reject) => setTimeout(reject, WITHIN, new Error(`not within ${WITHIN} ms`)).unref());
        try {
            await Promise.race([run({ world, browser }), late]);
        } catch (error) {
            console.error(`The browser said:\n${browser.said.join("\n")}\n\n\`dunlin dev\` said:\n${world.dev.log}`);
            throw error;
        } finally {
            await browser.stop();
        }
    });
}

export class World {
    #names = 0;
    /** @type {Wire[]} */
    #wires = [];

    /**
     * @param {Dev} dev
     * @param {Site} site
     */
    constructor(dev, site) {
        this.dev = dev;
        this.site = site;
    }

    /** Two people whom no other test knows. */
    pair() {
        this.#names += 1;
        return [`ann${this.#names}`, `ben${this.#names}`];
    }

    /**
     * The address of a client.
     *
     * @param {string} user
     * @param {string} peer
     * @param {Record<string, string>} options
     */
    address(user, peer, options = {}) {
        return `${this.site.url}/client.html?${new URLSearchParams({ user, with: peer, account: user, url: this.dev.url, ...options })}`;
    }

    /**
     * Two people whom no other test knows, each with a client in a tab.
     *
     * @param {Browser} browser
     * @param {Record<string, string>} options of the first one's client
     * @param {Record<string, string>} others of the second one's
     */
    async two(browser, options = {}, others = {}) {
        const [ann, ben] = this.pair();
        const page = await browser.open(this.address(ann, ben, options));
        return { ann, ben, page, other: await browser.open(this.address(ben, ann, others)) };
    }

    /** A way to the gateway that can be broken. */
    async wire() {
        const wire = await Wire.start(this.dev.url);
        this.#wires.push(wire);
        return wire;
    }

    async stop() {
        for (const wire of this.#wires) wire.stop();
        this.site.stop();
        await this.dev.stop();
    }
}

/** Waits until a client is online. @param {Page} page */
export function online(page, within = undefined) {
    return until("the client is online", () => page.evaluate("client.status.get()"), ({ state }) => state === "online", within);
}

/** @param {Page} page @returns {Promise<Shown[]>} the messages of its conversation */
export function shown(page) {
    return page.evaluate("talk.messages.get().map(({ id, text, state, mine, from }) => ({ id, text, state, mine, from }))");
}

/** Hands messages over, one after the other as fast as the page can. @param {Page} page @param {string[]} texts */
export function handOver(page, texts) {
    return page.evaluate((texts) => texts.forEach((text) => window.talk.send(text)), texts);
}

/**
 * Waits until a page shows exactly these texts, in this order.
 *
 * @param {Page} page
 * @param {string[]} texts
 */
export function shows(page, texts, within = undefined) {
    const same = (/** @type {Shown[]} */ seen) => seen.length === texts.length && seen.every(({ text }, at) => text === texts[at]);
    return until(`${texts.length} messages are shown, once and in order`, () => shown(page), same, within);
}

/** Has a page that was just opened show its conversation from the beginning. @param {Page} page */
export async function showAll(page) {
    await online(page);
    await page.evaluate("(async () => { while (await talk.older(100)); })()");
}

/** Waits until what was sent is on the server. @param {Page} page */
export function sent(page) {
    const all = (/** @type {Shown[]} */ seen) => seen.every(({ mine, state }) => !mine || ["sent", "delivered", "read"].includes(state));
    return until("everything is sent", () => shown(page), all);
}

/** `count` texts. @param {string} of @param {number} count */
export function texts(of, count) {
    return Array.from({ length: count }, (_, index) => `${of} ${index + 1}`);
}
