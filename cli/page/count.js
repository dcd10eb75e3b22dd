// The counter: what one side handed over, against what the client of the other side was given.

/** @import { Conversation, Message } from "/dunlin.js" */

/** The messages of a run say which they are: one that was stored twice, under two ids, is seen. */
const OF_A_RUN = /^(\d+) of [\d,]+ · run (\w+)$/;

/** @param {number} number @param {number} total @param {string} run */
export const runText = (number, total, run) => `${number} of ${total.toLocaleString("en")} · run ${run}`;

export class Count {
    twice = 0;
    /** What was handed over, by its key. @type {Map<string, {at: number, id?: string, failed?: boolean, wait?: number}>} */
    #sent = new Map();
    /** When the receiver was given an id. @type {Map<string, number>} */
    #given = new Map();
    /** The numbers of each run that were given. @type {Map<string, Set<number>>} */
    #runs = new Map();

    /** @param {Conversation} sender @param {Conversation} receiver @param {() => void} changed */
    constructor(sender, receiver, changed) {
        const settle = () => {
            this.#settle(sender.messages.get());
            changed();
        };
        sender.messages.subscribe(settle);
        receiver.messages.subscribe((messages) => {
            this.#look(messages);
            settle();
        });
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

    /** What is unsent when it is seen counts, and nothing that was sent before. @param {readonly Message[]} messages */
    #settle(messages) {
        for (const { mine, key, id, state } of messages) {
            if (!mine) continue;
            if (state === "sending" && !this.#sent.has(key)) this.#sent.set(key, { at: performance.now() });
            const item = this.#sent.get(key);
            if (item) Object.assign(item, { id: id ?? item.id, failed: state === "failed" });
        }
        for (const item of this.#sent.values()) {
            const given = this.#given.get(item.id ?? "");
            if (given) item.wait ??= given - item.at;
        }
    }
}
