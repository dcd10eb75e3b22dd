/**
 * What is asked: each question once, over one connection. It is over with its answer or refusal, with its connection, or with its time;
 * whoever asked decides whether to ask again.
 */

import { ASKS_IN_FLIGHT } from "./limits.js";
import { earliest } from "./order.js";

/** @import { Answer, AskError, Output, Question, Request } from "./words.js" */

/**
 * @typedef {{ request: Request | null, until: number }} Asked `null` where the core asks itself
 */

/** The answers that this release knows. */
const ANSWERS = ["done", "devices", "presence", "conversations", "history", "blocks", "settings", "receipts"];

/** The questions of one client. */
export class Asks {
    /** @param {(output: Output) => void} say */
    constructor(say) {
        this.say = say;
        /**
         * For a connection, or for their turn.
         *
         * @type {(Asked & { what: Question })[]}
         */
        this.waiting = [];
        /**
         * On their way, each under its number.
         *
         * @type {Map<number, Asked>}
         */
        this.asked = new Map();
        /** The last number. A number is never used again, so that a late answer is nobody's. */
        this.last = 0;
    }

    /**
     * Takes a question that is over at this time of the steady clock.
     *
     * @param {Request | null} request
     * @param {Question} what
     * @param {number} until
     */
    ask(request, what, until) {
        this.waiting.push({ request, what, until });
    }

    /** Asks what waits, as many as a gateway takes at once. */
    pump() {
        while (this.asked.size < ASKS_IN_FLIGHT && this.waiting.length) {
            const { what, ...asked } = /** @type {Asked & { what: Question }} */ (this.waiting.shift());
            this.asked.set(this.write(what), asked);
        }
    }

    /**
     * Writes a question whose answer, as it is, is nobody's.
     *
     * @param {Question} what
     */
    write(what) {
        this.last += 1;
        this.say({ kind: "write", frame: { ask: { ref: this.last, what } } });
        return this.last;
    }

    /**
     * An answer came.
     *
     * @param {number} ref
     * @param {Answer} answer
     */
    answered(ref, answer) {
        const [name] = Object.keys(answer);
        const isKnown = ANSWERS.includes(name) && answer[name] instanceof Object;
        this.settle(ref, isKnown ? { answer } : { error: { kind: "newer", name } });
    }

    /**
     * A question is over, if somebody waits for it.
     *
     * @param {number} ref
     * @param {{ answer: Answer } | { error: AskError }} outcome
     */
    settle(ref, outcome) {
        const asked = this.asked.get(ref);
        this.asked.delete(ref);
        if (asked) this.say({ kind: "answered", request: asked.request, ...outcome });
    }

    /** The connection is lost, and what was on its way over it. */
    lost() {
        for (const ref of this.asked.keys()) this.settle(ref, { error: { kind: "disconnected" } });
    }

    /**
     * Ends what is over at this time.
     *
     * @param {number} now
     * @param {AskError} error
     */
    expired(now, error = { kind: "timedOut" }) {
        const over = this.waiting.filter(({ until }) => until <= now);
        this.waiting = this.waiting.filter(({ until }) => until > now);
        for (const { request } of over) this.say({ kind: "answered", request, error });
        for (const [ref, { until }] of this.asked) if (until <= now) this.settle(ref, { error });
    }

    /** When the next one is over. */
    get nextDeadline() {
        return earliest([...this.waiting, ...this.asked.values()].map(({ until }) => until));
    }
}
