// A way to the gateway that can be broken as networks break.

import { connect, createServer } from "node:net";

export class Wire {
    /** Connections that were made. */
    made = 0;
    /** @type {Set<import("node:net").Socket>} */
    #sockets = new Set();
    /** What is passed on. @type {Set<import("node:net").Socket>} */
    #passed = new Set();
    #server = createServer((near) => this.#join(near));
    #to;

    /** @param {string} to the gateway's address */
    constructor(to) {
        const { hostname, port } = new URL(to);
        this.#to = { host: hostname, port: Number(port) };
    }

    /** @param {string} to the gateway's address */
    static async start(to) {
        const wire = new Wire(to);
        await new Promise((resolve) => wire.#server.listen(0, "127.0.0.1", () => resolve(undefined)));
        return wire;
    }

    get url() {
        const { port } = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
        return `http://127.0.0.1:${port}`;
    }

    /** @param {import("node:net").Socket} near */
    #join(near) {
        this.made += 1;
        const far = connect(this.#to);
        for (const [from, to] of [[near, far], [far, near]]) {
            this.#sockets.add(from);
            this.#passed.add(from);
            from.on("data", (bytes) => {
                if (this.#passed.has(from)) to.write(bytes);
            });
            from.on("error", () => from.destroy());
            from.on("close", () => {
                this.#sockets.delete(from);
                if (this.#passed.delete(from)) to.destroy();
            });
        }
    }

    /**
     * Takes what comes on the connections that there are, and passes nothing on, not even their end: as a router that has forgotten them.
     * New ones work.
     */
    forget() {
        this.#passed.clear();
    }

    /** Ends every connection that there is, in the middle of whatever it says. */
    cut() {
        for (const socket of this.#sockets) socket.resetAndDestroy();
    }

    stop() {
        this.cut();
        this.#server.close();
    }
}
