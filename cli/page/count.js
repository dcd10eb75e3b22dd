// The counter: what one side handed over, against what the client of the other side was given.

import { figure } from "./words.js";

/** The messages of a run say which they are: one that was stored twice, under two ids, is seen. */
const OF_A_RUN = /^(\d+) of [\d,]+ · run (\w+)$/;

export const RUN = 1000;
export const runText = (number, run) => `${number} of ${figure(RUN)} · run ${run}`;

export class Count {
  /** What was given although it had been. */
  twice = 0;
  #gaps = 0;
  /** What was handed over, by its key. */
  #sent = new Map();
  /** When an id was given. */
  #given = new Map();
  /** What was given of each run. */
  #runs = new Map();
  #senders = [];

  /** Counts what is sent and given here. */
  follow({ counted, client }, changed) {
    this.#senders.push(counted);
    counted.messages.subscribe((messages) => {
      // What is unsent stands last, also what was handed over before a reload. What was sent before does not count.
      for (const { key, state } of messages.slice().reverse()) {
        if (!/sending|failed/.test(state ?? "") || this.#sent.has(key)) break;
        this.#sent.set(key, { at: performance.now() });
      }
      changed();
    });
    client.on("entry", ({ id, from, content: { message } }) => {
      if (message && from === counted.with) this.#give(from + id, message.text ?? "");
      changed();
    });
    client.on("gap", () => {
      this.#gaps += 1;
      changed();
    });
  }

  /** Looks again at what became of what was handed over. */
  settle() {
    for (const { key, id, from, state } of this.#senders.flatMap(({ messages }) => messages.get())) {
      const item = this.#sent.get(key);
      if (item) Object.assign(item, { id: id ? from + id : item.id, failed: state === "failed" });
    }
    for (const item of this.#sent.values()) {
      const given = this.#given.get(item.id ?? "");
      if (given) item.wait ??= Math.max(0, given - item.at);
    }
  }

  /** What was refused was not sent. */
  get sent() {
    return [...this.#sent.values()].filter(({ failed }) => !failed).length;
  }

  /** How long each waited, in ms, until it was given. */
  get waits() {
    return [...this.#sent.values()].flatMap(({ wait }) => wait ?? []);
  }

  /** Gaps that were told, and numbers of runs that were not given although a later one was. */
  get missing() {
    return [...this.#runs.values()].reduce((sum, given) => sum + Math.max(0, ...given) - given.size, this.#gaps);
  }

  /** The numbers of this run count. */
  expect(run) {
    this.#runs.set(run, new Set());
  }

  #give(id, text) {
    const [, number, run] = OF_A_RUN.exec(text) ?? [];
    const numbers = +number > 0 && +number <= RUN ? this.#runs.get(run) : undefined;
    if (this.#given.has(id) || numbers?.has(+number)) this.twice += 1;
    else this.#given.set(id, performance.now());
    numbers?.add(+number);
  }
}
