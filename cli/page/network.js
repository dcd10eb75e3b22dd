// One person's network, which can be taken away or made slow: it makes the sockets for their client.

/** By how many ms a slow network is late, at least and at most. */
const LATE = [300, 1500];
/** So often, in ms, a connection over a slow network may break, and how likely it then is. */
const BREAKS_EVERY = 1500;
const BREAKS = 0.1;

export class Network {
    slow = false;
    #offline = false;
    /** @type {Set<Wire>} */
    wires = new Set();

    /** @param {string} url @param {string[]} protocols */
    socket = (url, protocols) => new Wire(this, url, protocols);

    get offline() {
        return this.#offline;
    }

    set offline(offline) {
        this.#offline = offline;
        if (offline) for (const wire of [...this.wires]) wire.cut();
        // What a browser tells a page whose network is back.
        else dispatchEvent(new Event("online"));
    }
}

/** What the library uses of a WebSocket, over such a network. */
class Wire {
    /** @type {((event: any) => void) | null} */
    onopen = null;
    /** @type {((event: any) => void) | null} */
    onmessage = null;
    /** @type {((event: any) => void) | null} */
    onclose = null;
    #in = Promise.resolve();
    #out = Promise.resolve();
    /** @type {WebSocket | undefined} */
    #real;
    #network;
    #breaks;

    /** @param {Network} network @param {string} url @param {string[]} protocols */
    constructor(network, url, protocols) {
        this.#network = network;
        network.wires.add(this);
        this.#breaks = setInterval(() => network.slow && Math.random() < BREAKS && this.cut(), BREAKS_EVERY);
        if (network.offline) {
            setTimeout(() => this.cut());
            return;
        }
        const real = (this.#real = new WebSocket(url, protocols));
        const give = (/** @type {() => void} */ go) => (this.#in = this.#later(this.#in, go));
        real.onopen = (event) => give(() => this.onopen?.(event));
        real.onmessage = (event) => give(() => this.onmessage?.(event));
        real.onclose = (event) => give(() => this.#end(event));
    }

    /** @param {string} text */
    send(text) {
        this.#out = this.#later(this.#out, () => this.#real?.send(text));
    }

    /** @param {number} [code] */
    close(code) {
        this.#out = this.#later(this.#out, () => this.#real?.close(code));
    }

    /** The network is gone: what is on its way does not arrive. */
    cut() {
        this.#real?.close();
        this.#end({ code: 1006 });
    }

    /** Each thing goes when it is due, and behind what went the same way before. @param {Promise<void>} before @param {() => void} go */
    async #later(before, go) {
        const due = performance.now() + (this.#network.slow ? LATE[0] + Math.random() * (LATE[1] - LATE[0]) : 0);
        await before;
        const left = due - performance.now();
        if (left > 0) await new Promise((done) => setTimeout(done, left));
        if (this.#network.wires.has(this)) go();
    }

    /** @param {{code: number, reason?: string}} event */
    #end(event) {
        clearInterval(this.#breaks);
        if (this.#network.wires.delete(this)) this.onclose?.(event);
    }
}
