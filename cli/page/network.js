// One person's network, which can be taken away or made slow.

import { pause } from "./dom.js";

/** ms by which a slow network is late, at least; at most three times as many. */
const LATE = 100;
/** ms after which a connection of it may break, and how likely it does. */
const BREAKS_EVERY = 1500;
const BREAKS = 0.1;

export class Network {
  slow = false;
  /** Told of each frame that passes. */
  saw;
  isOffline = false;
  #cuts = new Set();

  set offline(offline) {
    this.isOffline = offline;
    if (offline) this.#cuts.forEach((cut) => cut());
    // So a browser tells that it is back.
    else dispatchEvent(new Event("online"));
  }

  socket = (url, protocols) => {
    const real = this.isOffline ? undefined : new WebSocket(url, protocols);
    /** @type {any} */
    const wire = {
      send: (text) => send(() => {
        real?.send(text);
        this.saw?.("out", JSON.parse(text, (name, value) => (name === "token" ? "…" : value)));
      }),
      close: () => send(() => real?.close()),
    };
    const end = (event) => {
      clearInterval(breaks);
      if (this.#cuts.delete(cut)) wire.onclose?.(event);
    };
    const cut = () => {
      real?.close();
      end({ code: 1006 });
    };
    const lane = () => {
      let before = Promise.resolve();
      // Each thing goes when it is due, behind what went before.
      return (go) => {
        const due = this.slow && performance.now() + LATE * (1 + 2 * Math.random());
        before = before.then(() => due && pause(due - performance.now())).then(() => this.#cuts.has(cut) && go());
      };
    };
    const [send, give] = [lane(), lane()];
    const breaks = setInterval(() => this.slow && Math.random() < BREAKS && cut(), BREAKS_EVERY);
    this.#cuts.add(cut);
    if (real) {
      real.onopen = (event) => give(() => wire.onopen?.(event));
      real.onmessage = (event) => give(() => {
        this.saw?.("in", JSON.parse(event.data));
        wire.onmessage?.(event);
      });
      real.onclose = (event) => give(() => end(event));
    } else setTimeout(cut);
    return wire;
  };
}
