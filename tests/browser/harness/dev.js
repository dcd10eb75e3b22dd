// A real `dunlin dev`, on free ports and in a folder of its own.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { start } from "./child.js";

const root = path.resolve(import.meta.dirname, "../../..");
const program = path.resolve(root, process.env.CARGO_TARGET_DIR ?? "target", "debug/dunlin");

const READY_WITHIN = 90_000;
const END_WITHIN = 20_000;
/** Lines of its log that a failure is told with. */
const LINES = 40;

export class Dev {
    /** Where the gateway is. */
    url = "";
    /** Where the page is. */
    page = "";
    /** @type {string[]} */
    #log = [];
    #child;
    #ended;

    /**
     * @param {string} folder
     * @param {string[]} options
     */
    constructor(folder, options) {
        this.folder = folder;
        const args = ["dev", "--log", "warn", "--listen", "127.0.0.1:0", "--page", "127.0.0.1:0", "--data", folder, ...options];
        const { child, ended } = start(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
        this.#child = child;
        this.#ended = ended;
        createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stderr) }).on("line", (line) => {
            this.#log.push(line);
            if (this.#log.length > LINES) this.#log.shift();
        });
    }

    /** @param {string[]} options */
    static async start(...options) {
        const dev = new Dev(await mkdtemp(path.join(tmpdir(), "dunlin-browser-")), options);
        await dev.#ready();
        return dev;
    }

    async #ready() {
        const words = new Promise((resolve, reject) => {
            createInterface({ input: /** @type {import("node:stream").Readable} */ (this.#child.stdout) }).on("line", (line) => {
                const [word, address] = line.split(" ");
                if (word === "ready") this.url = address;
                if (word === "open") this.page = address;
                if (this.url && this.page) resolve(undefined);
            });
            void this.#ended.then((how) => reject(new Error(how)));
            setTimeout(reject, READY_WITHIN, new Error(`not within ${READY_WITHIN} ms`)).unref();
        });
        try {
            await words;
        } catch (cause) {
            await this.stop();
            throw new Error(`waiting for ${program} dev to be ready. Its log:\n${this.log}`, { cause });
        }
    }

    /** The end of what it said. */
    get log() {
        return this.#log.join("\n");
    }

    /** @param {string[]} args of `dunlin` @returns its output */
    async run(...args) {
        const { stdout } = await promisify(execFile)(program, [...args, "--data", this.folder], { cwd: root });
        return stdout.trim();
    }

    /** @param {string} user @param {string} ttl */
    token(user, ttl = "1h") {
        return this.run("token", user, "--ttl", ttl);
    }

    async stop() {
        this.#child.kill("SIGINT");
        const late = setTimeout(() => this.#child.kill("SIGKILL"), END_WITHIN);
        await this.#ended;
        clearTimeout(late);
        await rm(this.folder, { recursive: true, force: true });
    }
}
