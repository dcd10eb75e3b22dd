/**
 * What is asked: each question once, over one connection. It is over with its answer or refusal, with its connection, or with its time;
 * whoever asked decides whether to ask again.
 */


/** @import { Answer, AskError, Output, Question, Request } from "./words.js" */

/** Questions of one connection that are under way at once. */
const IN_FLIGHT = 16;

/**
 * @typedef {object} Asked
 * @property {Request | null} request Nobody's where the core asks itself.
 * @property {Question} what
 * @property {number} until
 * @property {number} [ref] Its number on its way; none while it waits for a connection, or for its turn.
 */

/**
 * The questions of one client.
 *
 * @param {(output: Output) => void} say
 */
export function createAsks(say) {
    /** @type {Set<Asked>} */
    const open = new Set();
    /** The last number. A number is never used again, so that a late answer is nobody's. */
    let last = 0;

    /** @param {Question} what */
    function write(what) {
        last += 1;
        say({ kind: "write", frame: { ask: { ref: last, what } } });
        return last;
    }

    /**
     * @param {(its: Asked) => unknown} isOver
     * @param {{ answer: Answer } | { error: AskError }} outcome
     */
    function end(isOver, outcome) {
        for (const its of open) {
            if (isOver(its) && open.delete(its)) say({ kind: "answered", request: its.request, ...outcome });
        }
    }

    return {
        /** Writes a question whose answer, as it is, is nobody's. */
        write,

        /**
         * Takes a question that is over at a time of the steady clock.
         *
         * @param {Asked} question
         */
        ask: question => void open.add(question),

        /** Asks what waits, as many as a gateway takes at once. */
        pump() {
            let flying = [...open].filter(({ ref }) => ref).length;
            for (const its of open) if (!its.ref && flying++ < IN_FLIGHT) its.ref = write(its.what);
        },

        /**
         * A question is over, if somebody waits for it.
         *
         * @param {number} ref
         * @param {{ answer: Answer } | { error: AskError }} outcome
         */
        settle: (ref, outcome) => end(its => its.ref === ref, outcome),

        /** The connection is lost, and what was on its way over it. */
        lost: () => end(({ ref }) => ref, { error: { kind: "disconnected" } }),

        /**
         * Ends what is over at this time.
         *
         * @param {number} now
         */
        expired: now => end(({ until }) => until <= now, { error: { kind: "timedOut" } }),

        /**
         * The client is over: first for what waits.
         *
         * @param {import("./words.js").Ended} why
         */
        end(why) {
            const outcome = { error: { kind: /** @type {const} */ ("ended"), why } };
            end(({ ref }) => !ref, outcome);
            end(() => true, outcome);
        },

        /** When each one is over. */
        deadlines: () => [...open].map(({ until }) => until),
    };
}
