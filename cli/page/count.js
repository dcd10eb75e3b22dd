// The counter: what one side handed over, against what the client of the other side was given.

import { figure } from "./words.js";

/** @import { Conversation, Message } from "/dunlin.js" */

/** The messages of a run say which they are: one that was stored twice, under two ids, is seen. */
const OF_A_RUN = /^(\d+) of [\d,]+ · run (\w+)$/;

/** @param {number} number @param {number} total @param {string} run */
export const runText = (number, total, run) => `${number} of ${figure(total)} · run ${run}`;

export class Count {
    twice = 0;
    /** What was handed over, by its key. @type {Map<string, {at: number, id?: string, failed?: boolean, wait?: number}>} */
    #sent = new Map();
    /** When the receiver was given an id. @type {Map<string, number>} */
    #given = new Map();
    /** What was given of each run. @type {Map<string, Set<number>>} */
    #runs = new Map();
    #sender;

    /** @param {Conversation} sender @param {Conversation} receiver @param {() => void} changed */
    constructor(sender, receiver, changed) {
        this.#sender = sender;
        sender.messages.subscribe((messages) => {
            // What is unsent stands last, also what was handed over before a reload. What was sent before does not count.
            for (const { key, state } of messages.slice().reverse()) {
                if (!/sending|failed/.test(state ?? "") || this.#sent.has(key)) break;
                this.#sent.set(key, { at: performance.now() });
            }
            changed();
        });
        receiver.messages.subscribe((messages) => {
            this.#look(messages);
            changed();
        });
    }

    /** Looks again at what became of what was handed over. */
    settle() {
        for (const { key, id, state } of this.#sender.messages.get()) {
            const item = this.#sent.get(key);
            if (item) Object.assign(item, { id: id ?? item.id, failed: state === "failed" });
        }
        for (const item of this.#sent.values()) {
            const given = this.#given.get(item.id ?? "");
            if (given) item.wait ??= given - item.at;
        }
    }

    /** What was refused was not sent. */
    get sent() {
        return [...this.#sent.values()].filter(({ failed }) => !failed).length;
    }

    /** How long each waited, in ms, until the receiver was given it. */
    get waits() {
        return [...this.#sent.values()].flatMap(({ wait }) => wait ?? []);
    }

    /** How many numbers of runs were not given although a later one was. */
    get holes() {
        return [...this.#runs.values()].reduce((holes, given) => holes + Math.max(0, ...given) - given.size, 0);
    }

    /** The numbers of this run count. @param {string} run */
    expect(run) {
        this.#runs.set(run, new Set());
    }

    /** @param {readonly Message[]} messages */
    #look(messages) {
        for (const { mine, id, text } of messages) {
            if (mine || !id || this.#given.has(id)) continue;
            this.#given.set(id, performance.now());
            const [, number, run] = OF_A_RUN.exec(text ?? "") ?? [];
            const numbers = this.#runs.get(run);
            if (numbers?.has(+number)) this.twice += 1;
            numbers?.add(+number);
        }
    }
}
