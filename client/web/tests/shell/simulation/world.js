// A machine whose time is moved by hand, and the tabs of one browser on it. Everything that happens to a tab is an event of the world: one
// event runs, and all that follows of it at once, before the next one does. A tab that is dead gets no event any more, and nothing that its
// code still does has an effect; one that is frozen gets its events when it wakes.

import { randomOf } from "../../core/script.js";

const { setImmediate } = globalThis;
const BEGINNING = 1_800_000_000_000;

export class World {
    constructor(seed) {
        this.random = randomOf(seed);
        this.steady = 0;
        /** How far the machine's clock is ahead of the steady one: it goes on while the machine sleeps. */
        this.ahead = BEGINNING;
        this.events = [];
        this.count = 0;
        this.tabs = [];
        /** The tab whose code runs now. */
        this.current = undefined;
        this.failures = [];
        this.log = [];
    }

    get wall() {
        return Math.floor(this.steady) + this.ahead;
    }

    below(most) {
        return Math.floor(this.random() * most);
    }

    one(things) {
        return things[this.below(things.length)];
    }

    chance(of) {
        return this.random() < of;
    }

    note(what) {
        this.log.push(`${(this.steady / 1_000).toFixed(3).padStart(9)}  ${what}`);
    }

    /**
     * After `delay` ms something happens, in a tab if one is named. Events of one `kind` of a tab keep their order when it wakes.
     */
    after(delay, run, tab, kind = "timer") {
        const event = { time: this.steady + Math.max(0, delay), order: (this.count += 1), run, tab, kind, isOver: false };
        this.#insert(event);
        return event;
    }

    #insert(event) {
        const { events } = this;
        let [low, high] = [0, events.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            const other = events[middle];
            // The next one is the last in the array.
            if (other.time > event.time || (other.time === event.time && other.order > event.order)) low = middle + 1;
            else high = middle;
        }
        events.splice(low, 0, event);
    }

    /** Lets the next thing happen, with all that follows of it at once. */
    async step() {
        const event = this.events.pop();
        this.steady = Math.max(this.steady, event.time);
        const { tab, run } = event;
        if (event.isOver || tab?.isDead) return;
        if (tab?.isFrozen) return void tab.deferred.push(event);
        await this.in(tab, run);
    }

    /** Runs code of a tab. */
    async in(tab, run) {
        this.current = tab;
        if (tab) tab.steps += 1;
        try {
            run();
        } catch (error) {
            this.failures.push(error);
        }
        await new Promise(resolve => setImmediate(resolve));
        this.current = undefined;
        if (tab && tab.fuse !== Infinity) tab.kill("in the middle of something");
    }

    async run(until) {
        while (this.events.length && !until() && !this.failures.length) await this.step();
    }

    async runFor(time) {
        let isOver = false;
        this.after(time, () => (isOver = true));
        await this.run(() => isOver);
    }

    /** What was deferred happens now: what is of one kind in its order, and the kinds in any. */
    thaw(tab) {
        const isDue = event => event.tab === tab && event.time <= this.steady;
        const deferred = [...tab.deferred, ...this.events.filter(isDue).reverse()];
        this.events = this.events.filter(event => !isDue(event));
        tab.deferred = [];
        const kinds = [...new Set(deferred.map(({ kind }) => kind))].map(kind => deferred.filter(event => event.kind === kind));
        for (const _ of deferred) {
            const next = this.one(kinds.filter(events => events.length)).shift();
            this.#insert(Object.assign(next, { time: this.steady, order: (this.count += 1) }));
        }
    }
}

class Storage extends Map {
    getItem = key => this.get(key) ?? null;
    setItem = (key, value) => void this.set(key, value);
}

export class Tab {
    constructor(world, storage = new Storage()) {
        Object.assign(this, { world, storage, isDead: false, isFrozen: false, isAway: false, deferred: [], steps: 0, fuse: Infinity });
        Object.assign(this, { window: new EventTarget(), document: new EventTarget(), onDeath: [] });
        this.document.hidden = false;
        this.name = `tab ${world.tabs.push(this)}`;
        /** How late what comes from outside is here, in ms. */
        this.lateness = world.one([0, 1, 1, 5, 50]);
        /** When the last message of another tab comes. */
        this.heardAt = 0;
    }

    /** Whether what the tab does has an effect. Dies where it is to die in the middle of something. */
    acts() {
        if (this.isDead) return false;
        if (this.fuse <= 0) this.kill("in the middle of something");
        this.fuse -= 1;
        return !this.isDead;
    }

    kill(how) {
        if (this.isDead) return;
        this.world.note(`${this.name} dies ${how}`);
        this.isDead = true;
        this.fuse = Infinity;
        this.onDeath.forEach(act => act());
    }

    duplicate() {
        return new Tab(this.world, new Storage(this.storage));
    }
}
