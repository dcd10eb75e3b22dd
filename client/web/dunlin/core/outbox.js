/** What is to be sent: one lane an address, so that the order of sends to it is kept; what was not answered is sent again under its id. */

import { seenFrom } from "./address.js";
import { History } from "./history.js";
import { retry } from "./next.js";
import { byAddress, earliest } from "./order.js";

/** @import { Accepted, Content, Ended, Output, Request, SendError, Stored } from "./words.js" */
/** @import { Delivered } from "./history.js" */

/** Sends on their way at once, over all addresses: below what a gateway takes from one session. */
const IN_FLIGHT = 256;
/** The first pause before something that was refused for now is repeated, where the gateway names none; it doubles up to `PAUSE_MOST`. */
const PAUSE_FIRST = 100;
const PAUSE_MOST = 10_000;

/**
 * @typedef {object} Item
 * @property {string | null} id Given when it is first sent: only then the gateway's clock is known, and the id is fresh.
 * @property {Request | null} request Who waits for the outcome; nobody for what is repeated after a gap.
 * @property {Content} content
 * @property {boolean} again It was unanswered at a gap: once more after its answer.
 */

class Lane {
    constructor() {
        /**
         * Those with an id first, in their order.
         *
         * @type {Item[]}
         */
        this.waiting = [];
        /** @type {Item[]} */
        this.flying = [];
        /**
         * Nothing is sent before: something was refused for now, and what follows would overtake it.
         *
         * @type {number | null}
         */
        this.held = null;
        /** Refusals in a row. */
        this.refused = 0;
        this.isQueued = false;
    }

    /**
     * Puts an item with an id where it belongs.
     *
     * @param {Item} item
     */
    putBack(item) {
        const at = this.waiting.findIndex(({ id }) => id === null || id >= /** @type {string} */ (item.id));
        this.waiting.splice(at < 0 ? this.waiting.length : at, 0, item);
    }
}

/** Everything that was handed over and has no final answer, and what may have to be repeated. */
export class Outbox {
    /**
     * @param {number} perAddress sends on their way at once to one address
     * @param {Accepted[]} kept what was accepted before
     * @param {(output: Output) => void} say
     */
    constructor(perAddress, kept, say) {
        this.perAddress = perAddress;
        this.say = say;
        /** @type {Map<string, Lane>} */
        this.lanes = new Map();
        /** @type {string[]} */
        this.ready = [];
        /**
         * The address of each send on its way.
         *
         * @type {Map<string, string>}
         */
        this.flying = new Map();
        this.history = new History(kept, id => say({ kind: "forget", id }));
        /**
         * The user's own region, which gateways leave out of addresses.
         *
         * @type {string | null}
         */
        this.home = null;
        /** How many wait for an answer. */
        this.requests = 0;
    }

    /**
     * @param {Request} request
     * @param {string} to
     * @param {Content} content
     * @param {string | null} id the one that it was given before
     */
    submit(request, to, content, id) {
        this.requests += 1;
        const item = { id, request, content, again: false };
        const lane = this.lane(to);
        if (id) lane.putBack(item);
        else lane.waiting.push(item);
        this.queue(to);
    }

    /**
     * Sends what can be sent now.
     *
     * @param {number} now
     * @param {() => string} nextId
     */
    pump(now, nextId) {
        const due = this.sorted().filter(([, { held }]) => held !== null && held <= now);
        for (const [to, lane] of due) {
            lane.held = null;
            this.queue(to);
        }
        while (this.flying.size < IN_FLIGHT && this.ready.length) {
            const to = /** @type {string} */ (this.ready.shift());
            const lane = this.lanes.get(to);
            if (!lane) continue;
            lane.isQueued = false;
            if (lane.held !== null || lane.flying.length >= this.perAddress) continue;
            const item = lane.waiting.shift();
            if (!item) continue;
            const { request, content } = item;
            const id = item.id ?? nextId();
            if (!item.id && request !== null) this.say({ kind: "named", request, id });
            item.id = id;
            this.say({ kind: "write", frame: { send: { id, to, content } } });
            lane.flying.push(item);
            this.flying.set(id, to);
            this.queue(to);
        }
    }

    /**
     * A gateway has welcomed the user, who is of this region.
     *
     * @param {string} home
     * @param {number} serverNow
     */
    welcomed(home, serverNow) {
        this.home = home;
        this.history.prune(serverNow);
    }

    /** When a lane that is held goes on. */
    get nextDeadline() {
        return earliest([...this.lanes.values()].map(({ held }) => held ?? Infinity));
    }

    /**
     * A send is stored. `serverNow` is the gateway's time.
     *
     * @param {number} serverNow
     * @param {Stored} answer
     */
    accepted(serverNow, answer) {
        const landed = this.land(answer.id);
        if (!landed) return;
        const { to, lane, item } = landed;
        const { id, order, time: taken } = answer;
        // A repeat gets its first answer, with the time of that.
        const stored = item.request === null ? Math.max(taken, serverNow) : taken;
        this.settle(item, { accepted: answer });
        this.history.keep({ id, to, content: item.content, order, taken, stored }, seenFrom(to, this.home));
        lane.refused = 0;
        if (item.again) {
            item.again = false;
            lane.putBack(item);
        }
        this.queue(to);
    }

    /**
     * A send is refused, for now or for good.
     *
     * @param {number} now
     * @param {string} id
     * @param {{ code: string, message: string, retry_after?: number | null }} refusal
     */
    rejected(now, id, { code, message, retry_after: after }) {
        const landed = this.land(id);
        if (!landed) return;
        const { to, lane, item } = landed;
        if (retry(code, after) === "later") {
            lane.held = now + (after ?? Math.min(PAUSE_MOST, PAUSE_FIRST * 2 ** Math.min(16, lane.refused)));
            lane.refused += 1;
            lane.putBack(item);
        } else {
            this.history.forget(id);
            this.settle(item, { error: { kind: "rejected", code, message } });
        }
        this.queue(to);
    }

    /** The connection is lost: what was on its way is sent again over the next one, before everything else. */
    lost() {
        this.flying.clear();
        this.ready = [];
        for (const [to, lane] of this.sorted()) {
            for (const item of lane.flying.splice(0)) lane.putBack(item);
            lane.isQueued = true;
            this.ready.push(to);
        }
    }

    /**
     * Something that was sent to this address, as a gateway names it, came to a device.
     *
     * @param {string} to
     * @param {Delivered} receipt
     */
    delivered(to, receipt) {
        this.history.delivered(to, receipt, address => seenFrom(address, this.home) === to);
    }

    /**
     * Entries may be missing: what was accepted and came to nobody is repeated, and what is on its way once more after its answer.
     * `serverNow` is the gateway's time.
     *
     * @param {number} serverNow
     */
    gap(serverNow) {
        for (const lane of this.lanes.values()) for (const item of lane.flying) item.again = true;
        for (const { id, to, content } of this.history.repeats(serverNow)) {
            const lane = this.lane(to);
            const isKnown = [...lane.waiting, ...lane.flying].some(item => item.id === id);
            if (!isKnown) lane.putBack({ id, request: null, content, again: false });
            this.queue(to);
        }
    }

    /**
     * Nothing will be answered any more.
     *
     * @param {Ended} why
     */
    end(why) {
        for (const [, { flying, waiting }] of this.sorted()) {
            for (const item of [...flying, ...waiting]) this.settle(item, { error: { kind: "ended", why } });
        }
        this.lanes.clear();
        this.flying.clear();
        this.ready = [];
    }

    /**
     * Takes what was on its way under this id.
     *
     * @param {string} id
     */
    land(id) {
        const to = this.flying.get(id) ?? "";
        const lane = this.lanes.get(to);
        const at = lane?.flying.findIndex(item => item.id === id) ?? -1;
        if (!lane || at < 0) return null;
        this.flying.delete(id);
        return { to, lane, item: lane.flying.splice(at, 1)[0] };
    }

    /**
     * @param {Item} item
     * @param {{ accepted: Stored } | { error: SendError }} outcome
     */
    settle(item, outcome) {
        const { request } = item;
        if (request === null) return;
        this.requests -= 1;
        item.request = null;
        this.say({ kind: "settle", request, ...outcome });
    }

    /** @param {string} to */
    lane(to) {
        const lane = this.lanes.get(to) ?? new Lane();
        this.lanes.set(to, lane);
        return lane;
    }

    /**
     * Looks at a lane when its turn comes; forgets one that has nothing left.
     *
     * @param {string} to
     */
    queue(to) {
        const lane = this.lanes.get(to);
        if (!lane) return;
        if (!lane.waiting.length) {
            if (!lane.flying.length) this.lanes.delete(to);
        } else if (!lane.isQueued) {
            lane.isQueued = true;
            this.ready.push(to);
        }
    }

    sorted() {
        return [...this.lanes].sort(([one], [other]) => byAddress(one, other));
    }
}
