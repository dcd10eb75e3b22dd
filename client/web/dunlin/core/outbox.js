/** What is to be sent: one lane an address, so that the order of sends to it is kept; what was not answered is sent again under its id. */

import { seenFrom } from "./address.js";
import { under } from "./bounds.js";
import { createHistory } from "./history.js";
import { isForNow } from "./next.js";

/** @import { Accepted, Content, Ended, Output, ReceiptFrame, Request, SendError, Stored } from "./words.js" */

/** Sends on their way at once, over all addresses: below what a gateway takes from one session. */
const IN_FLIGHT = 256;
/** The first pause before something that was refused for now is repeated, where the gateway names none; it doubles up to `PAUSE_MOST`. */
const PAUSE_FIRST = 100;
const PAUSE_MOST = 10_000;

/**
 * @typedef {object} Item
 * @property {string | null} [id] Given when it is first sent: only then the gateway's clock is known, and the id is fresh.
 * @property {string} to
 * @property {Request | null} request Who waits for the outcome; nobody for what is repeated after a gap.
 * @property {Content} content
 * @property {boolean} [again] It was unanswered at a gap: once more after its answer.
 *
 * @typedef {object} Lane
 * @property {Item[]} waiting Those with an id first, in their order.
 * @property {number} flying How many are on their way.
 * @property {number} held Nothing is sent before: something was refused for now, and what follows would overtake it.
 * @property {number} refused Refusals in a row.
 */

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
     * What is on its way, by its id.
     *
     * @type {Map<string, Item>}
     */
    const flying = new Map();
    const history = createHistory(accepted, id => say({ kind: "forget", id }));
    /**
     * The user's own region, which gateways leave out of addresses.
     *
     * @type {string | undefined}
     */
    let home;

    /**
     * @param {string} to
     * @returns {Lane}
     */
    const laneOf = to => under(lanes, to, () => ({ waiting: [], flying: 0, held: 0, refused: 0 }));

    /**
     * Puts an item where it belongs.
     *
     * @param {Item} item
     */
    function put(item) {
        const { waiting } = laneOf(item.to);
        const at = item.id ? waiting.findIndex(({ id }) => !id || id >= /** @type {string} */ (item.id)) : -1;
        waiting.splice(at < 0 ? waiting.length : at, 0, item);
    }

    /**
     * Takes what was on its way under this id.
     *
     * @param {string} id
     */
    function land(id) {
        const item = flying.get(id);
        if (flying.delete(id)) laneOf(/** @type {Item} */ (item).to).flying -= 1;
        return item;
    }

    /** The connection is lost: what was on its way is sent again over the next one, before everything else. */
    function lost() {
        for (const id of flying.keys()) put(/** @type {Item} */ (land(id)));
    }

    /**
     * @param {Item} item
     * @param {{ accepted: Stored } | { error: SendError }} outcome
     */
    function settle(item, outcome) {
        if (item.request !== null) say({ kind: "settle", request: item.request, ...outcome });
        item.request = null;
    }

    return {
        lost,

        /** Takes something to send. @type {typeof put} */
        submit: put,

        /**
         * Sends what can be sent now.
         *
         * @param {number} now
         * @param {() => string} nextId
         */
        pump(now, nextId) {
            for (const [to, lane] of lanes) {
                const { waiting } = lane;
                if (lane.held <= now) lane.held = 0;
                while (!lane.held && lane.flying < perAddress && flying.size < IN_FLIGHT && waiting.length) {
                    const item = /** @type {Item} */ (waiting.shift());
                    const { request, content } = item;
                    const id = item.id ?? nextId();
                    if (!item.id && request !== null) say({ kind: "named", request, id });
                    item.id = id;
                    say({ kind: "write", frame: { send: { id, to, content } } });
                    lane.flying += 1;
                    flying.set(id, item);
                }
                if (!lane.flying && !waiting.length) lanes.delete(to);
            }
        },

        /** When lanes that are held go on. */
        deadlines: () => [...lanes.values()].map(({ held }) => held || Infinity),

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
            const item = land(id);
            if (!item) return;
            const { to, content } = item;
            // A repeat gets its first answer, with the time of that.
            const stored = item.request === null ? Math.max(taken, serverNow) : taken;
            settle(item, { accepted: answer });
            history.keep({ id, to, content, order, taken, stored }, seenFrom(to, home));
            laneOf(to).refused = 0;
            if (item.again) put({ ...item, again: false });
        },

        /**
         * A send is refused, for now or for good.
         *
         * @param {number} now
         * @param {{ id: string, code: string, message: string, retry_after?: number | null }} refusal
         */
        rejected(now, { id, code, message, retry_after: after }) {
            const item = land(id);
            if (!item) return;
            if (isForNow(code, after)) {
                const lane = laneOf(item.to);
                lane.held = now + (after ?? Math.min(PAUSE_MOST, PAUSE_FIRST * 2 ** lane.refused));
                lane.refused += 1;
                put(item);
            } else {
                history.forget(id);
                settle(item, { error: { kind: "rejected", code, message } });
            }
        },

        /**
         * Something came to a device.
         *
         * @param {ReceiptFrame} receipt
         */
        delivered: receipt => history.delivered(receipt, address => seenFrom(address, home) === receipt.to),

        /**
         * Entries may be missing: what was accepted and came to nobody is repeated, and what is on its way once more after its answer.
         * `serverNow` is the gateway's time.
         *
         * @param {number} serverNow
         */
        gap(serverNow) {
            flying.forEach(item => (item.again = true));
            for (const { id, to, content } of history.repeats(serverNow)) {
                const isKnown = flying.has(id) || laneOf(to).waiting.some(item => item.id === id);
                if (!isKnown) put({ id, to, content, request: null });
            }
        },

        /**
         * Nothing will be answered any more.
         *
         * @param {Ended} why
         */
        end(why) {
            lost();
            for (const { waiting } of lanes.values()) for (const item of waiting) settle(item, { error: { kind: "ended", why } });
            lanes.clear();
        },
    };
}
