/** What is to be sent: one lane an address, so that the order of sends to it is kept; what was not answered is sent again under its id. */

import { seenFrom } from "./address.js";
import { earliest } from "./clocks.js";
import { createHistory } from "./history.js";
import { isForNow } from "./next.js";

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
 * @property {boolean} [again] It was unanswered at a gap: once more after its answer.
 *
 * @typedef {object} Lane
 * @property {string} to
 * @property {Item[]} waiting Those with an id first, in their order.
 * @property {Item[]} flying
 * @property {number | null} held Nothing is sent before: something was refused for now, and what follows would overtake it.
 * @property {number} refused Refusals in a row.
 */

/**
 * Puts an item with an id where it belongs.
 *
 * @param {Lane} lane
 * @param {Item} item
 */
function putBack({ waiting }, item) {
    const at = waiting.findIndex(({ id }) => !id || id >= /** @type {string} */ (item.id));
    waiting.splice(at < 0 ? waiting.length : at, 0, item);
}

/**
 * Everything that was handed over and has no final answer, and what may have to be repeated.
 *
 * @param {number} perAddress sends on their way at once to one address
 * @param {Accepted[]} accepted what was accepted before
 * @param {(output: Output) => void} say
 */
export function createOutbox(perAddress, accepted, say) {
    /** @type {Map<string, Lane>} */
    const lanes = new Map();
    /**
     * Lanes whose turn comes, each once.
     *
     * @type {Set<Lane>}
     */
    const ready = new Set();
    /**
     * The lane of each send on its way.
     *
     * @type {Map<string, Lane>}
     */
    const flying = new Map();
    const history = createHistory(accepted, id => say({ kind: "forget", id }));
    /**
     * The user's own region, which gateways leave out of addresses.
     *
     * @type {string | null}
     */
    let home = null;
    let requests = 0;

    /**
     * @param {string} to
     * @returns {Lane}
     */
    function laneOf(to) {
        const lane = lanes.get(to) ?? { to, waiting: [], flying: [], held: null, refused: 0 };
        lanes.set(to, lane);
        return lane;
    }

    /**
     * Looks at a lane when its turn comes; forgets one that has nothing left.
     *
     * @param {Lane} lane
     */
    function queue(lane) {
        if (lane.waiting.length) ready.add(lane);
        else if (!lane.flying.length) lanes.delete(lane.to);
    }

    /**
     * Takes what was on its way under this id.
     *
     * @param {string} id
     */
    function land(id) {
        const lane = flying.get(id);
        flying.delete(id);
        const at = lane?.flying.findIndex(item => item.id === id) ?? -1;
        return lane && at >= 0 ? { lane, item: lane.flying.splice(at, 1)[0] } : null;
    }

    /**
     * @param {Item} item
     * @param {{ accepted: Stored } | { error: SendError }} outcome
     */
    function settle(item, outcome) {
        const { request } = item;
        if (request === null) return;
        requests -= 1;
        item.request = null;
        say({ kind: "settle", request, ...outcome });
    }

    return {
        /** How many wait for an answer. */
        requests: () => requests,

        /**
         * @param {Request} request
         * @param {string} to
         * @param {Content} content
         * @param {string | null} id the one that it was given before
         */
        submit(request, to, content, id) {
            requests += 1;
            const lane = laneOf(to);
            const item = { id, request, content };
            if (id) putBack(lane, item);
            else lane.waiting.push(item);
            queue(lane);
        },

        /**
         * Sends what can be sent now.
         *
         * @param {number} now
         * @param {() => string} nextId
         */
        pump(now, nextId) {
            for (const lane of lanes.values()) {
                if (lane.held === null || lane.held > now) continue;
                lane.held = null;
                queue(lane);
            }
            for (const lane of ready) {
                if (flying.size >= IN_FLIGHT) return;
                ready.delete(lane);
                const item = lane.held === null && lane.flying.length < perAddress && lane.waiting.shift();
                if (!item) continue;
                const { request, content } = item;
                const id = item.id ?? nextId();
                if (!item.id && request !== null) say({ kind: "named", request, id });
                item.id = id;
                say({ kind: "write", frame: { send: { id, to: lane.to, content } } });
                lane.flying.push(item);
                flying.set(id, lane);
                queue(lane);
            }
        },

        /** When a lane that is held goes on. */
        nextDeadline: () => earliest([...lanes.values()].map(({ held }) => held ?? Infinity)),

        /**
         * The user is of this region. What is too old is forgotten, `serverNow` being the gateway's time.
         *
         * @param {string} region
         * @param {number} serverNow
         */
        welcomed(region, serverNow) {
            home = region;
            history.repeats(serverNow);
        },

        /**
         * A send is stored. `serverNow` is the gateway's time.
         *
         * @param {number} serverNow
         * @param {Stored} answer
         */
        accepted(serverNow, answer) {
            const { id, order, time: taken } = answer;
            const landed = land(id);
            if (!landed) return;
            const { lane, item } = landed;
            const { to } = lane;
            // A repeat gets its first answer, with the time of that.
            const stored = item.request === null ? Math.max(taken, serverNow) : taken;
            settle(item, { accepted: answer });
            history.keep({ id, to, content: item.content, order, taken, stored }, seenFrom(to, home));
            lane.refused = 0;
            if (item.again) putBack(lane, item);
            item.again = false;
            queue(lane);
        },

        /**
         * A send is refused, for now or for good.
         *
         * @param {number} now
         * @param {{ id: string, code: string, message: string, retry_after?: number | null }} refusal
         */
        rejected(now, { id, code, message, retry_after: after }) {
            const landed = land(id);
            if (!landed) return;
            const { lane, item } = landed;
            if (isForNow(code, after)) {
                lane.held = now + (after ?? Math.min(PAUSE_MOST, PAUSE_FIRST * 2 ** lane.refused));
                lane.refused += 1;
                putBack(lane, item);
            } else {
                history.forget(id);
                settle(item, { error: { kind: "rejected", code, message } });
            }
            queue(lane);
        },

        /** The connection is lost: what was on its way is sent again over the next one, before everything else. */
        lost() {
            flying.clear();
            ready.clear();
            for (const lane of lanes.values()) {
                for (const item of lane.flying.splice(0)) putBack(lane, item);
                queue(lane);
            }
        },

        /**
         * Something that was sent to this address, as a gateway names it, came to a device.
         *
         * @param {string} to
         * @param {Delivered} receipt
         */
        delivered: (to, receipt) => history.delivered(to, receipt, address => seenFrom(address, home) === to),

        /**
         * Entries may be missing: what was accepted and came to nobody is repeated, and what is on its way once more after its answer.
         * `serverNow` is the gateway's time.
         *
         * @param {number} serverNow
         */
        gap(serverNow) {
            for (const lane of lanes.values()) for (const item of lane.flying) item.again = true;
            for (const { id, to, content } of history.repeats(serverNow)) {
                const lane = laneOf(to);
                const isKnown = [...lane.waiting, ...lane.flying].some(item => item.id === id);
                if (!isKnown) putBack(lane, { id, request: null, content });
                queue(lane);
            }
        },

        /**
         * Nothing will be answered any more.
         *
         * @param {Ended} why
         */
        end(why) {
            for (const { flying, waiting } of lanes.values()) {
                for (const item of [...flying, ...waiting]) settle(item, { error: { kind: "ended", why } });
            }
            lanes.clear();
        },
    };
}
