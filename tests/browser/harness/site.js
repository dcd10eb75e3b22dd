// The back end of the tests' own pages: the library as it stands in `client/web`, the pages of `tests/browser/pages`, and tokens.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";

const here = import.meta.dirname;
const folders = [path.resolve(here, "../pages"), path.resolve(here, "../../../client/web")];
/** @type {Record<string, string>} */
const KINDS = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8" };

export class Site {
    /** Who wants a token is signed out. */
    isSignedOut = false;
    /** Pages beside those of the folder, by path. @type {Map<string, string>} */
    pages = new Map();
    #server = createServer((request, response) => void this.#answer(request, response));

    /** @param {import("./dev.js").Dev} dev */
    constructor(dev) {
        this.dev = dev;
    }

    /** @param {import("./dev.js").Dev} dev */
    static async start(dev) {
        const site = new Site(dev);
        await new Promise((resolve) => site.#server.listen(0, "127.0.0.1", () => resolve(undefined)));
        return site;
    }

    get url() {
        const { port } = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
        return `http://127.0.0.1:${port}`;
    }

    /**
     * @param {import("node:http").IncomingMessage} request
     * @param {import("node:http").ServerResponse} response
     */
    async #answer(request, response) {
        const { pathname, searchParams } = new URL(request.url ?? "/", this.url);
        const answer = (/** @type {number} */ status, /** @type {string} */ kind, /** @type {string} */ body) =>
            response.writeHead(status, { "content-type": kind, "cache-control": "no-store" }).end(body);
        try {
            if (pathname === "/token") {
                if (this.isSignedOut) return void answer(401, "text/plain", "");
                const token = await this.dev.token(searchParams.get("user") ?? "", searchParams.get("ttl") ?? undefined);
                return void answer(200, "text/plain", token);
            }
            answer(200, KINDS[path.extname(pathname)], this.pages.get(pathname) ?? (await read(pathname)));
        } catch (error) {
            answer(404, "text/plain", String(error));
        }
    }

    stop() {
        this.#server.closeAllConnections();
        this.#server.close();
    }
}

/** @param {string} name of a file, below one of the folders: `URL` has taken `..` out of it */
async function read(name) {
    for (const folder of folders) {
        try {
            return await readFile(path.join(folder, name), "utf8");
        } catch {
            continue;
        }
    }
    throw new Error(`there is no ${name}`);
}
