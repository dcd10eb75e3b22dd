// What a browser has below the library, for the tab whose code runs just now: locks, channels, sockets, timers, clocks and chance.

import { KeyRange } from "./databases.js";

/** @see https://www.w3.org/TR/web-locks/ */
class Locks {
    constructor(world) {
        Object.assign(this, { world, held: new Map(), waiting: [] });
    }

    request(name, options, callback) {
        const { world } = this;
        const tab = world.current;
        const request = { name, tab, callback, options };
        const over = new Promise((resolve, reject) => Object.assign(request, { resolve, reject }));
        if (!tab.acts()) return over;
        const { signal, steal, ifAvailable } = options;
        if (ifAvailable && [...this.held.keys(), ...this.waiting.map(({ name }) => name)].includes(name)) {
            this.tell(tab, () => request.resolve(callback(null)));
            return over;
        }
        signal?.addEventListener("abort", () => {
            if (!tab.acts() || !this.waiting.includes(request)) return;
            this.waiting.splice(this.waiting.indexOf(request), 1);
            this.tell(tab, () => request.reject(signal.reason));
        });
        tab.onDeath.push(() => this.drop(request));
        if (steal) {
            const before = this.held.get(name);
            this.held.delete(name);
            if (before) this.tell(before.tab, () => before.reject(new DOMException("stolen", "AbortError")));
            this.waiting.unshift(request);
        } else {
            this.waiting.push(request);
        }
        this.grant(name);
        return over;
    }

    tell(tab, act) {
        this.world.after(tab.lateness, act, tab, "lock");
    }

    /** The lock is held from now on, though who asked for it may hear of that late. */
    grant(name) {
        const next = this.waiting.find(request => request.name === name);
        if (this.held.has(name) || !next) return;
        this.waiting.splice(this.waiting.indexOf(next), 1);
        this.held.set(name, next);
        this.world.note(`${next.tab.name} holds ${name}`);
        const { tab, options, callback, resolve, reject } = next;
        const done = act => result => {
            if (!tab.acts()) return;
            this.drop(next);
            act(result);
        };
        this.tell(tab, () => {
            if (options.signal?.aborted) return done(reject)(options.signal.reason);
            Promise.resolve(callback({ name })).then(done(resolve), done(reject));
        });
    }

    drop(request) {
        const { name } = request;
        this.waiting = this.waiting.filter(other => other !== request);
        if (this.held.get(name) !== request) return;
        this.held.delete(name);
        this.grant(name);
    }
}

/** Channels whose messages come to each tab in the order in which they were said, and to each as late as it is. */
const channelOf = (world, channels) => class Channel {
    constructor(name) {
        Object.assign(this, { name, tab: world.current, isClosed: false, onmessage: null });
        channels.add(this);
        this.tab.onDeath.push(() => channels.delete(this));
    }

    postMessage(message) {
        if (this.isClosed) throw new DOMException("closed", "InvalidStateError");
        if (!this.tab.acts()) return;
        const text = structuredClone(message);
        for (const other of channels) if (other !== this && other.name === this.name) other.hear(text);
    }

    hear(message) {
        const { tab } = this;
        tab.heardAt = Math.max(tab.heardAt, world.steady + world.below(tab.lateness + 1));
        world.after(tab.heardAt - world.steady, () => !this.isClosed && this.onmessage?.({ data: structuredClone(message) }), tab, "message");
    }

    close() {
        this.isClosed = true;
        channels.delete(this);
    }
};

/** Sockets to a gateway, which says how they fare. */
const socketOf = (world, gateway) => class Socket {
    constructor(url) {
        Object.assign(this, { url, tab: world.current, state: "opening", onopen: null, onmessage: null, onclose: null });
        if (!this.tab.acts()) return;
        this.tab.onDeath.push(() => gateway.lost(this));
        gateway.dialled(this);
    }

    /** Something comes from the gateway. */
    tell(delay, act) {
        world.after(delay, act, this.tab, "socket");
    }

    opened() {
        if (this.state !== "opening") return;
        this.state = "open";
        this.onopen?.({});
    }

    ended(code) {
        if (this.state === "closed") return;
        this.state = "closed";
        this.onclose?.({ code, reason: "" });
    }

    send(text) {
        if (this.state === "opening") throw new DOMException("not open", "InvalidStateError");
        if (this.tab.acts() && this.state === "open") gateway.came(this, text);
    }

    close() {
        this.state = "closed";
        if (this.tab.acts()) gateway.lost(this);
    }
};

/** How a module of the library comes that is loaded later: slowly, or not at all. */
const comesBy = (world, gateway) => load => new Promise((resolve, reject) => {
    const { current: tab } = world;
    if (!tab.acts()) return;
    const isLost = gateway.isOffline || world.chance(gateway.lacks);
    const arrive = () => (isLost ? reject(new TypeError("the module can't be had")) : resolve(load()));
    world.after(world.one([1, 50, 2_000]), arrive, tab, "module");
});

/** The globals of a world, which are there until the result is called. */
export function install(world, gateway, databases) {
    const locks = new Locks(world);
    const timers = new Map();
    const setTimeout = (run, delay = 0, ...args) => {
        const { current: tab } = world;
        const event = world.after(delay + (tab?.lateness ?? 0) / 10, () => run(...args), tab);
        timers.set(event.order, event);
        return event.order;
    };
    const setInterval = (run, delay, interval = {}) => {
        setTimeout(() => {
            if (interval.isOver) return;
            setInterval(run, delay, interval);
            run();
        }, delay);
        return interval;
    };
    const timeout = delay => {
        const controller = new AbortController();
        setTimeout(() => controller.abort(new DOMException("late", "TimeoutError")), delay);
        return controller.signal;
    };
    const globals = {
        setTimeout: () => setTimeout,
        setInterval: () => setInterval,
        clearInterval: () => interval => void (interval.isOver = true),
        clearTimeout: () => number => void (timers.has(number) && (timers.get(number).isOver = true)),
        navigator: () => ({ locks }),
        document: () => world.current?.document,
        sessionStorage: () => world.current?.storage,
        addEventListener: () => world.current?.window.addEventListener.bind(world.current.window),
        performance: () => ({ now: () => world.steady }),
        crypto: () => ({ getRandomValues: bytes => bytes.map(() => world.below(256)) }),
        reportError: () => error => world.failures.push(error),
        indexedDB: () => databases,
        IDBKeyRange: () => KeyRange,
    };
    const channel = channelOf(world, new Set());
    const socket = socketOf(world, gateway);
    globals.BroadcastChannel = () => channel;
    globals.comes = () => comesBy(world, gateway);
    globals.WebSocket = () => socket;
    const before = new Map();
    const [{ random }, { now }, { timeout: signalled }] = [Math, Date, AbortSignal];
    for (const [name, get] of Object.entries(globals)) {
        before.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
        Object.defineProperty(globalThis, name, { get, configurable: true });
    }
    Object.assign(Math, { random: world.random });
    Object.assign(Date, { now: () => world.wall });
    Object.assign(AbortSignal, { timeout });
    return () => {
        Object.assign(Math, { random });
        Object.assign(Date, { now });
        Object.assign(AbortSignal, { timeout: signalled });
        for (const [name, descriptor] of before) {
            delete globalThis[name];
            if (descriptor) Object.defineProperty(globalThis, name, descriptor);
        }
    };
}
