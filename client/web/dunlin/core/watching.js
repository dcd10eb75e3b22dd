/**
 * Who is watched, over all connections: a watch counts from its `done` on, and is set again over each new connection. What is known of
 * somebody waits while the application leaves no room: the newest of each.
 */

import { byAddress } from "./order.js";

/** @import { Output, Question, Request } from "./words.js" */

/** The pause before the watch is set again, where the gateway names none. */
const AGAIN = 1_000;

/** @typedef {{ user: string, state: string, lastSeen: number | null }} Presence */

export class Watching {
    constructor() {
        /** @type {string[]} */
        this.users = [];
        /**
         * What the application has asked for, without an answer yet.
         *
         * @type {Map<Request | null, string[]>}
         */
        this.asked = new Map();
        /** When the watch is set again, where that is due. */
        this.againAt = Infinity;
        /** @type {Map<string, Presence>} */
        this.waiting = new Map();
    }

    /**
     * The application asks something.
     *
     * @param {Request} request
     * @param {Question} what
     */
    asks(request, what) {
        if (what.watch) this.asked.set(request, what.watch.users);
    }

    /**
     * A question is over.
     *
     * @param {number} now
     * @param {Output & { kind: "answered" }} answered
     */
    settled(now, { request, error }) {
        const users = this.asked.get(request);
        this.asked.delete(request);
        if (!error) {
            if (!users) return;
            this.waiting.clear();
            this.users = users;
            this.againAt = Infinity;
        } else if (users) {
            // Nobody knows which of the two the gateway has.
            this.again(now);
        } else if (request === null) {
            if (error.kind === "timedOut") this.again(now + AGAIN);
            if (error.kind === "refused" && error.retryAfter !== null) this.again(now + error.retryAfter);
        }
    }

    /**
     * The watch is to be set: a connection is there that knows nothing yet, say.
     *
     * @param {number} at
     */
    again(at) {
        this.againAt = this.users.length ? at : Infinity;
    }

    /**
     * The question that sets the watch again, where that is due.
     *
     * @param {number} now
     */
    due(now) {
        if (this.nextDeadline > now) return null;
        this.againAt = Infinity;
        return { watch: { users: this.users } };
    }

    /** When the watch is to be set again. Not while the application has asked for another one. */
    get nextDeadline() {
        return this.asked.size ? Infinity : this.againAt;
    }

    /**
     * How somebody is, for when there is room.
     *
     * @param {Presence} presence
     */
    keep(presence) {
        this.waiting.set(presence.user, presence);
    }

    /** Takes what was kept. */
    take() {
        const kept = [...this.waiting.values()];
        this.waiting.clear();
        return kept.sort((one, other) => byAddress(one.user, other.user));
    }
}
