/**
 * What is asked: each question once, over one connection. It is over with its answer or refusal, with its connection, or with its time;
 * whoever asked decides whether to ask again.
 */

import { earliest } from "./clocks.js";

/** @import { Answer, AskError, Output, Question, Request } from "./words.js" */

/** Questions of one connection that are under way at once. */
const IN_FLIGHT = 16;

/**
 * @typedef {object} Asked
 * @property {Request | null} request Nobody's where the core asks itself.
 * @property {Question} what
 * @property {number} until
 */

/**
 * The questions of one client.
 *
 * @param {(output: Output) => void} say
 */
export function createAsks(say) {
    /**
     * For a connection, or for their turn.
     *
     * @type {Asked[]}
     */
    let waiting = [];
    /**
     * On their way, each under its number.
     *
     * @type {Map<number, Asked>}
     */
    const asked = new Map();
    /** The last number. A number is never used again, so that a late answer is nobody's. */
    let last = 0;

    /** @param {Question} what */
    function write(what) {
        last += 1;
        say({ kind: "write", frame: { ask: { ref: last, what } } });
    }

    /**
     * @param {number} ref
     * @param {{ answer: Answer } | { error: AskError }} outcome
     */
    function settle(ref, outcome) {
        const its = asked.get(ref);
        asked.delete(ref);
        if (its) say({ kind: "answered", request: its.request, ...outcome });
    }

    /**
     * @param {number} now
     * @param {AskError} error
     */
    function expire(now, error) {
        for (const { request, until } of waiting) if (until <= now) say({ kind: "answered", request, error });
        waiting = waiting.filter(({ until }) => until > now);
        for (const [ref, { until }] of asked) if (until <= now) settle(ref, { error });
    }

    return {
        /** Writes a question whose answer, as it is, is nobody's. */
        write,

        /** A question is over, if somebody waits for it. */
        settle,

        /**
         * Takes a question that is over at a time of the steady clock.
         *
         * @param {Asked} question
         */
        ask: question => void waiting.push(question),

        /** Asks what waits, as many as a gateway takes at once. */
        pump() {
            for (const its of waiting.splice(0, IN_FLIGHT - asked.size)) {
                write(its.what);
                asked.set(last, its);
            }
        },

        /** The connection is lost, and what was on its way over it. */
        lost() {
            for (const ref of asked.keys()) settle(ref, { error: { kind: "disconnected" } });
        },

        /**
         * Ends what is over at this time.
         *
         * @param {number} now
         */
        expired: now => expire(now, { kind: "timedOut" }),

        /**
         * The client is over.
         *
         * @param {import("./words.js").Ended} why
         */
        end: why => expire(Infinity, { kind: "ended", why }),

        /** When the next one is over. */
        nextDeadline: () => earliest([...waiting, ...asked.values()].map(({ until }) => until)),
    };
}
