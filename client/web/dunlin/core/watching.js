/**
 * Who is watched, over all connections: a watch counts from its `done` on, and is set again over each new connection. What is known of
 * somebody waits while the application leaves no room: the newest of each.
 */

/** @import { Output, Question, Request } from "./words.js" */

/** The pause before the watch is set again, where the gateway names none. */
const AGAIN = 1_000;

/** @typedef {{ user: string, state: string, lastSeen: number | null }} Presence */

export function createWatching() {
    /** @type {string[]} */
    let users = [];
    /**
     * What the application has asked for, without an answer yet.
     *
     * @type {Map<Request | null, string[]>}
     */
    const asked = new Map();
    /** When the watch is set again, where that is due. */
    let againAt = Infinity;
    /** @type {Map<string, Presence>} */
    const kept = new Map();

    /** @param {number} at */
    const again = at => (againAt = users.length ? at : Infinity);
    const deadline = () => (asked.size ? Infinity : againAt);

    return {
        /** The watch is to be set: a connection is there that knows nothing yet, say. */
        again,

        /** When the watch is to be set again. Not while the application has asked for another one. */
        deadline,

        /**
         * The application asks something.
         *
         * @param {Request} request
         * @param {Question} what
         */
        asks(request, what) {
            if (what.watch) asked.set(request, what.watch.users);
        },

        /**
         * A question is over.
         *
         * @param {number} now
         * @param {Output & { kind: "answered" }} answered
         */
        settled(now, { request, error }) {
            const wanted = asked.get(request);
            asked.delete(request);
            if (wanted && !error) {
                kept.clear();
                users = wanted;
                againAt = Infinity;
            } else if (wanted) {
                // Nobody knows which of the two the gateway has.
                again(now);
            } else if (request === null && error) {
                if (error.kind === "timedOut") again(now + AGAIN);
                if (error.kind === "refused" && error.retryAfter !== null) again(now + error.retryAfter);
            }
        },

        /**
         * The question that sets the watch again, where that is due.
         *
         * @param {number} now
         */
        due(now) {
            if (deadline() > now) return null;
            againAt = Infinity;
            return { watch: { users } };
        },

        /**
         * How somebody is, for when there is room.
         *
         * @param {Presence} presence
         */
        keep: presence => void kept.set(presence.user, presence),

        /** Takes what was kept. */
        take() {
            const all = [...kept.values()];
            kept.clear();
            return all;
        },
    };
}
