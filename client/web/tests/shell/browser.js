// What a browser gives to the tabs of one origin: Web Locks, channels, databases, events of pages. A tab can be killed, and duplicated. Of
// a killed one nothing gets out any more, though its code still runs.

import "fake-indexeddb/auto";
import { connect as connectLibrary } from "../../dunlin.js";
import { token } from "./gateway.js";

/** The tab whose code begins just now. */
let current;

/** @see https://www.w3.org/TR/web-locks/ */
class Locks {
    #held = new Map();
    #waiting = [];

    request(name, options, held) {
        const request = { name, held, tab: current };
        const over = new Promise((resolve, reject) => Object.assign(request, { resolve, reject }));
        if (options.ifAvailable && this.#held.has(name)) return Promise.resolve(held(null));
        options.signal?.addEventListener("abort", () => {
            if (!this.#waiting.includes(request)) return;
            this.#waiting = this.#waiting.filter(other => other !== request);
            request.reject(options.signal.reason);
        });
        if (options.steal) {
            const before = this.#held.get(name);
            this.#held.delete(name);
            before?.reject(new DOMException("stolen", "AbortError"));
            this.#waiting.unshift(request);
        } else {
            this.#waiting.push(request);
        }
        queueMicrotask(() => this.#grant(name));
        return over;
    }

    #grant(name) {
        const next = this.#waiting.find(request => request.name === name);
        if (this.#held.has(name) || !next) return;
        this.#waiting = this.#waiting.filter(other => other !== next);
        this.#held.set(name, next);
        const done = act => result => {
            if (this.#held.get(name) === next) this.#held.delete(name);
            act(result);
            this.#grant(name);
        };
        Promise.resolve(next.held({ name })).then(done(next.resolve), done(next.reject));
    }

    kill(tab) {
        this.#waiting = this.#waiting.filter(request => request.tab !== tab);
        for (const [name, request] of this.#held) {
            if (request.tab !== tab) continue;
            this.#held.delete(name);
            queueMicrotask(() => this.#grant(name));
        }
    }
}

const Channel = globalThis.BroadcastChannel;

class Storage extends Map {
    getItem = key => this.get(key) ?? null;
    setItem = (key, value) => void this.set(key, value);
}

class Tab {
    constructor(browser, storage = new Storage()) {
        Object.assign(this, { browser, storage, channels: [], sockets: [], isDead: false });
        Object.assign(this, { window: new EventTarget(), document: new EventTarget() });
        this.document.hidden = false;
    }

    connect(options = {}) {
        current = this;
        const { gateway, connect } = this.browser;
        const socket = (...args) => {
            const socket = gateway.socket(...args);
            this.sockets.push(socket);
            if (this.isDead) this.cut(socket);
            return socket;
        };
        this.client = connect({
            url: "http://gateway.test",
            getToken: () => token("alice"),
            socket,
            account: this.browser.account,
            backoff: { first: 5, most: 20 },
            ...options,
        });
        current = undefined;
        return this.client;
    }

    cut(socket) {
        socket.end({ code: 1006 });
        socket.onclose = null;
        socket.send = () => {};
    }

    kill() {
        this.isDead = true;
        this.browser.locks.kill(this);
        this.mute();
        this.sockets.forEach(socket => this.cut(socket));
    }

    /** Neither hears nor says anything, as a page that is frozen. */
    mute() {
        for (const channel of this.channels) {
            channel.postMessage = () => {};
            channel.close();
        }
    }

    duplicate() {
        return new Tab(this.browser, new Storage(this.storage));
    }

    reload() {
        this.kill();
        return new Tab(this.browser, this.storage);
    }
}

export class Browser {
    static count = 0;

    /** `connect` is the library's, or an altered one's. */
    constructor(gateway, connect = connectLibrary) {
        Object.assign(this, { gateway, connect });
        this.account = `account-${(Browser.count += 1)}`;
        this.locks = new Locks();
        const { locks } = this;
        const define = (name, get) => Object.defineProperty(globalThis, name, { get, configurable: true });
        define("navigator", () => ({ locks }));
        define("document", () => current?.document ?? { hidden: false });
        define("sessionStorage", () => current?.storage);
        define("addEventListener", () => current?.window.addEventListener.bind(current.window));
        globalThis.BroadcastChannel = class extends Channel {
            constructor(name) {
                super(name);
                current?.channels.push(this);
            }
        };
    }

    tab() {
        return new Tab(this);
    }
}
