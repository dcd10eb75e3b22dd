// One play: tabs come, send, and go in every way in which tabs go, over a network and a store that fail; then all is well again, and
// everything has to be where it was promised.

import { beginning } from "../../../dunlin/core/ids.js";
import { install } from "./browser.js";
import { Databases } from "./databases.js";
import { Gateway } from "./gateway.js";
import { Tab, World } from "./world.js";

const PEERS = ["bob", "carol"];
const ACCOUNT = "dunlin/default";
/** How long everything may take to be well once nothing fails any more, in ms. */
const HEALS_WITHIN = 300_000;

class Play {
    constructor(connect, seed, focus) {
        const world = new World(seed);
        Object.assign(this, { connect, focus, world, gateway: new Gateway(world), sent: [], durable: new Set(), said: 0 });
        this.databases = new Databases(world, ({ changes }) => {
            for (const [table, , value] of changes) if (table === "outbox" && value) this.durable.add(textOf(value));
        });
        this.isAlone = focus ? focus.includes("alone") : world.chance(0.15);
        this.tokenFails = 0;
    }

    running() {
        return this.world.tabs.filter(tab => !tab.isDead && !tab.isFrozen && !tab.isClosed);
    }

    open(tab = new Tab(this.world)) {
        const { world } = this;
        world.note(`${tab.name} opens`);
        const getToken = () => new Promise((resolve, reject) => {
            world.after(world.below(50), () => (world.chance(this.tokenFails) ? reject(new Error("no token")) : resolve("to.k.en")), tab);
        });
        return world.in(tab, () => {
            const options = { url: "http://gateway.test", getToken, tabs: this.isAlone ? "alone" : "share" };
            tab.client = this.connect({ ...options, backoff: { first: 200, most: 5_000 } });
            tab.client.on("storage", ({ why, inMemory }) => inMemory && !tab.isDead && world.failures.push(why));
            for (const peer of PEERS) tab.client.conversation(peer);
        });
    }

    send(tab) {
        const { world } = this;
        const count = world.one([1, 1, 2, 5]);
        return world.in(tab, () => {
            for (let i = 0; i < count && !tab.isDead; i += 1) {
                const to = world.one(PEERS);
                const text = `${tab.name} says ${this.sent.length}`;
                world.note(`${text} to ${to}`);
                tab.client.conversation(to).send(text);
                this.sent.push({ tab, to, text });
            }
        });
    }

    /** A page goes. */
    leave(tab, how) {
        return this.world.in(tab, () => {
            tab.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: false }));
            tab.kill(how);
        });
    }

    async deeds() {
        const { world, gateway, databases } = this;
        const tab = world.one(this.running());
        const others = world.tabs.filter(tab => !tab.isDead);
        const away = world.tabs.filter(tab => tab.isAway && !tab.isDead);
        const frozen = world.tabs.filter(tab => tab.isFrozen && !tab.isAway && !tab.isDead);
        const ways = [
            [12, "send", () => tab && this.send(tab)],
            [2, "open", () => others.length < 5 && this.open()],
            [1, "duplicate", () => tab && this.open(tab.duplicate())],
            [2, "kill", () => world.one(others)?.kill("at once")],
            [2, "fuse", () => tab && (tab.fuse = world.below(12))],
            [2, "reload", async () => {
                if (!tab) return;
                await this.leave(tab, "to be loaded again");
                await this.open(new Tab(world, tab.storage));
            }],
            [1, "close", () => tab && this.close(tab)],
            [4, "freeze", () => tab && databases.mayFreeze(tab) && this.freeze(tab)],
            [1, "wake", () => frozen.length && this.wake(world.one(frozen))],
            [1, "putAway", () => tab && databases.mayFreeze(tab) && this.putAway(tab)],
            [2, "comeBack", () => away.length && this.comeBack(world.one(away))],
            [2, "show", () => tab && this.show(tab, world.one(["visible", "hidden"]))],
            [2, "faults", () => void (gateway.faults = world.one([0, 0, 0.1, 0.4]))],
            [2, "drop", () => gateway.dropAll()],
            [1, "silence", () => gateway.silence()],
            [1, "offline", () => this.goOffline()],
            [1, "token", () => void (this.tokenFails = world.one([0, 0, 0.5, 1]))],
            [1, "slow", () => void (databases.slowness = world.one([2, 2, 50, 1_000]))],
            [1, "fill", () => this.fill()],
            [1, "sleep", () => void (world.ahead += 60_000)],
            // Of modules that the gateway serves, to those that load some.
            ...(this.focus?.includes("lack") ? [[2, "lack", () => void (gateway.lacks = world.one([0, 0.7, 1]))]] : []),
            [4, "peer", () => void gateway.peerSays(world.one(PEERS), this.nextId(), `theirs ${(this.said += 1)}`)],
        ];
        // In each play some things happen often, and others never.
        this.tastes ??= ways.map(([, name]) => (this.focus ? (this.focus.includes(name) ? 6 : 0.7) : world.one([0, 0.5, 1, 4])));
        const weights = ways.map(([weight, name], way) => weight * (name === "send" ? 1 : this.tastes[way]));
        let at = world.random() * weights.reduce((sum, weight) => sum + weight);
        await ways[weights.findIndex(weight => (at -= weight) < 0)][2]();
    }

    nextId() {
        return beginning(this.world.wall) + String(this.said).padStart(16, "0");
    }

    async close(tab) {
        const { world } = this;
        world.note(`${tab.name} is closed by its application`);
        tab.isClosed = true;
        await world.in(tab, () => void tab.client.close().then(() => {
            this.sent.filter(one => one.tab === tab).forEach(one => (one.isKept = true));
            tab.kill("closed");
        }));
    }

    /** What a store has no room for is dropped: entries, which the gateway has. */
    fill() {
        this.wasFull = true;
        this.databases.room = this.world.one([10, 30]);
    }

    freeze(tab) {
        const { world } = this;
        world.note(`${tab.name} freezes`);
        tab.isFrozen = true;
        world.after(world.one([10, 500, 6_000, 12_000, 60_000]), () => tab.isFrozen && !tab.isAway && this.wake(tab));
    }

    wake(tab) {
        const { world } = this;
        world.note(`${tab.name} wakes`);
        tab.isFrozen = false;
        world.after(0, () => tab.document.dispatchEvent(new Event("resume")), tab, "page");
        world.thaw(tab);
    }

    async putAway(tab) {
        const { world } = this;
        world.note(`${tab.name} is put away`);
        await world.in(tab, () => tab.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true })));
        tab.isAway = tab.isFrozen = true;
    }

    async comeBack(tab) {
        const { world } = this;
        world.note(`${tab.name} comes back`);
        tab.isAway = tab.isFrozen = false;
        world.after(0, () => tab.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true })), tab, "page");
        world.thaw(tab);
    }

    show(tab, how) {
        return this.world.in(tab, () => {
            tab.document.hidden = how === "hidden";
            tab.document.dispatchEvent(new Event("visibilitychange"));
        });
    }

    goOffline() {
        const { world, gateway } = this;
        world.note("there is no network");
        gateway.isOffline = true;
        gateway.dropAll();
        world.after(world.below(30_000), () => this.goOnline());
    }

    goOnline() {
        const { world, gateway } = this;
        gateway.isOffline = false;
        for (const tab of world.tabs) world.after(0, () => tab.window.dispatchEvent(new Event("online")), tab, "page");
    }

    async heal() {
        const { world, gateway, databases } = this;
        world.note("all is well from now on");
        Object.assign(databases, { slowness: 2, room: Infinity });
        this.tokenFails = 0;
        gateway.heal();
        for (const tab of world.tabs) {
            tab.fuse = Infinity;
            if (tab.isAway) await this.comeBack(tab);
            else if (tab.isFrozen) this.wake(tab);
        }
        this.goOnline();
        const isClosing = () => world.tabs.some(tab => tab.isClosed && !tab.isDead);
        await world.run(() => !isClosing());
        // Of tabs that are alone each has its own store, which waits for it.
        const isOpen = storage => world.tabs.some(tab => !tab.isDead && tab.storage === storage);
        for (const tab of [...world.tabs]) if (this.isAlone && !isOpen(tab.storage)) await this.open(new Tab(world, tab.storage));
        if (!this.running().length) await this.open();
        await this.show(world.one(this.running()), "visible");
    }

    /** What is not as it should be. */
    wrongs() {
        const { world, gateway, databases, sent, durable } = this;
        const wrongs = [];
        const own = gateway.log.filter(({ from }) => !PEERS.includes(from));
        const stored = countOf(own.map(textOf));
        for (const [text, count] of stored) if (count > 1) wrongs.push(`stored ${count} times: ${text}`);
        for (const { tab, text, isKept } of sent) {
            const mustBe = isKept || durable.has(text) || !tab.isDead;
            if (mustBe && !stored.has(text)) wrongs.push(`lost: ${text}`);
        }
        for (const tab of world.tabs) {
            for (const peer of PEERS) {
                const its = sent.filter(one => one.tab === tab && one.to === peer && stored.has(one.text)).map(({ text }) => text);
                const there = own.filter(one => one.to === peer && its.includes(textOf(one))).map(textOf);
                if (there.join() !== its.join()) wrongs.push(`out of order: ${there}`);
            }
            if (!tab.isDead && !tab.isClosed) wrongs.push(...this.wrongsOf(tab));
        }
        for (const [name, { tables }] of databases.all) {
            for (const item of tables.get("outbox").values()) wrongs.push(`left in ${name}: ${textOf(item)}`);
        }
        return wrongs;
    }

    /** What a tab shows and should not, and does not and should. */
    wrongsOf(tab) {
        const { gateway, databases, world } = this;
        world.current = tab;
        const wrongs = [];
        for (const peer of PEERS) {
            const messages = tab.client.conversation(peer).messages.get();
            for (const { text, state } of messages) if (state === "sending" || state === "failed") wrongs.push(`${tab.name} shows as ${state}: ${text}`);
            const shown = countOf(messages.map(({ text }) => text));
            for (const [text, count] of shown) if (count > 1) wrongs.push(`${tab.name} shows ${count} times: ${text}`);
            const all = gateway.log.filter(({ from, to }) => from === peer || to === peer).map(textOf);
            if (!this.wasFull) for (const text of all) if (!shown.has(text)) wrongs.push(`${tab.name} does not show: ${text}`);
        }
        world.current = undefined;
        return wrongs;
    }

    async run() {
        const { world } = this;
        await this.open();
        for (let left = 10 + world.below(50); left && !world.failures.length; left -= 1) {
            await world.runFor(world.one([0, 1, 3, 10, 30, 200, 2_000, 10_000]));
            await this.deeds();
        }
        await this.heal();
        let isOver = false;
        world.after(HEALS_WITHIN, () => (isOver = true));
        let looked = 0;
        await world.run(() => {
            if (isOver) return true;
            if (world.steady < looked) return false;
            looked = world.steady + 1_000;
            return !this.wrongs().length;
        });
        // Nothing comes later, either.
        await world.runFor(60_000);
        return [...world.failures.map(error => error.stack ?? String(error)), ...this.wrongs()];
    }
}

const textOf = ({ content }) => content.message?.text;

function countOf(texts) {
    const counts = new Map();
    for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
    return counts;
}

/** Plays one seed, with some deeds more often if they are named: what went wrong, and what had happened. */
export async function play(connect, seed, focus) {
    const it = new Play(connect, seed, focus);
    const uninstall = install(it.world, it.gateway, it.databases);
    const rejected = why => it.world.failures.push(why);
    process.on("unhandledRejection", rejected);
    try {
        return { wrongs: await it.run(), log: it.world.log };
    } finally {
        process.off("unhandledRejection", rejected);
        uninstall();
    }
}
