// A real Chromium, with an empty profile of its own on the disk.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { start } from "./child.js";
import { WITHIN } from "./until.js";

const program = path.resolve(import.meta.dirname, "../../../.tools/bin/chromium");
const options = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--window-size=1280,900",
    // Nothing leaves this machine, whatever a page or the browser itself asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
const STARTS_WITHIN = 90_000;

/** @typedef {ReturnType<typeof start>} Started */

export class Browser {
    /** What pages said on their consoles, and what went wrong in them. @type {string[]} */
    said = [];

    /**
     * @param {Started} started
     * @param {string} profile
     * @param {import("playwright-core").Browser} browser
     */
    constructor(started, profile, browser) {
        this.started = started;
        this.profile = profile;
        this.browser = browser;
        this.context = browser.contexts()[0];
        // What is clicked, and what is looked at, is waited for as well.
        this.context.setDefaultTimeout(WITHIN);
        this.context.on("console", (message) => this.said.push(`${message.type()}: ${message.text()} (${message.location().url})`));
        this.context.on("weberror", (error) => this.said.push(`error: ${error.error()}\n${error.error().stack}`));
    }

    static async start() {
        const profile = await mkdtemp(path.join(tmpdir(), "dunlin-profile-"));
        const started = start(program, [...options, `--user-data-dir=${profile}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
        const address = await listening(started);
        // Without what else is changed for tests: pages that are not in front have to be hidden.
        return new Browser(started, profile, await chromium.connectOverCDP(address, { noDefaults: true }));
    }

    /** A tab at an address. @param {string} address */
    async open(address) {
        const page = await this.context.newPage();
        await page.goto(address);
        return page;
    }

    async stop() {
        this.started.child.kill("SIGKILL");
        await Promise.all([this.started.ended, this.browser.close()]);
        await rm(this.profile, { recursive: true, force: true });
    }
}

/** Where it takes commands, once it says so. @param {Started} started @returns {Promise<string>} */
function listening({ child, ended }) {
    return new Promise((resolve, reject) => {
        /** @type {string[]} */
        const said = [];
        const fail = (/** @type {string} */ why) => reject(new Error(`starting ${program}: ${why}. It said:\n${said.join("\n")}`));
        createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stderr) }).on("line", (line) => {
            said.push(line);
            const [, address] = /^DevTools listening on (\S+)/.exec(line) ?? [];
            if (address) resolve(address);
        });
        void ended.then(fail);
        setTimeout(fail, STARTS_WITHIN, `not ready within ${STARTS_WITHIN} ms`).unref();
    });
}
