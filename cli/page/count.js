// The counter: what was handed over, against what was given to those whom it is for.

import { figure } from "./words.js";

/** Messages of a run say which they are: one that is stored under two ids is seen. */
const OF_A_RUN = /^\d+ of [\d,]+ · run \w+$/;

export const RUN = 1000;
export const runText = (number, run) => `${number} of ${figure(RUN)} · run ${run}`;

/** Whether somebody was in a group at this place of its order. */
function wasIn({ turns }, order) {
  const last = turns.findLast((turn) => turn.order < order);
  return last ? !/removed|left/.test(last.event.change) : turns[0]?.event.change !== "added";
}

export class Count {
  /** Given although it had been. */
  #twice = 0;
  #gaps = 0;
  /** What was handed over, by its key. */
  #sent = new Map();
  #given = new Map();
  /** Who says and is given something, and with whom. */
  #all = [];

  follow({ user, client }, peer, changed) {
    const one = { user, peer, isGroup: peer[0] === "#", messages: [], turns: [], has: new Set() };
    this.#all.push(one);
    client.conversation(peer).messages.subscribe((messages) => {
      one.messages = messages;
      one.turns = messages.filter(({ event }) => event && [...event.users, event.change === "created" && event.by].includes(user));
      one.has = new Set(messages.map(({ from, id }) => from + id));
      // What is unsent stands last, also of before a reload. What was sent before does not count.
      for (const { key, state } of messages.slice().reverse()) {
        if (!/sending|failed/.test(state ?? "") || this.#sent.has(key)) break;
        this.#sent.set(key, { at: performance.now(), peer });
      }
      changed();
    });
    client.on("entry", ({ id, log, from, content: { message } }) => {
      if (!message || from === user || peer !== (one.isGroup ? log : from)) return;
      const names = [from + id, message.text ?? ""].map((name) => `${user} ${peer} ${name}`);
      if (names.some((name) => this.#given.has(name))) this.#twice += 1;
      else for (const name of names.slice(0, OF_A_RUN.test(message.text) ? 2 : 1)) this.#given.set(name, performance.now());
      changed();
    });
    client.on("gap", ({ log }) => {
      if (one.isGroup === (log === peer)) this.#gaps += 1;
      changed();
    });
  }

  settle() {
    const all = [...this.#sent.values()];
    /** Given to somebody who was not in the group. */
    let astray = 0;
    /** What somebody lacks although they have what came behind it. */
    let missing = this.#gaps;
    for (const one of this.#all) {
      for (const { key, id, from, state, order, mine, event } of one.messages) {
        const item = this.#sent.get(key);
        if (item) Object.assign(item, { from, order, id: id ? from + id : item.id, failed: state === "failed" });
        if (one.isGroup && !mine && !event && !wasIn(one, order)) astray += 1;
      }
    }
    const items = all.filter(({ id, order }) => id && order).sort((one, other) => other.order - one.order);
    const later = new Set();
    for (const item of items) {
      const times = this.#readers(item).map(({ user, peer, has }) => {
        // It may have been given before a reload.
        const time = this.#given.get(`${user} ${peer} ${item.id}`) ?? (has.has(item.id) && performance.now());
        const lane = `${item.from} ${user} ${peer}`;
        if (time) later.add(lane);
        else if (later.has(lane)) missing += 1;
        return time;
      });
      if (times.length && times.every(Boolean)) item.wait ??= Math.max(0, Math.max(...times) - item.at);
    }
    return {
      twice: this.#twice, astray, missing,
      sent: all.filter(({ failed }) => !failed).length,
      /** ms that each waited until all had it. */
      waits: all.flatMap(({ wait }) => wait ?? []),
    };
  }

  /** Whom something is for: in a group, who was in it at its place. */
  #readers({ peer, from, order }) {
    return this.#all.filter((one) => one.user !== from && (one.isGroup
      ? one.peer === peer && wasIn(one, order)
      : one.peer === from && one.user === peer));
  }
}
