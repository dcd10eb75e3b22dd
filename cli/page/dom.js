// Building elements. Nothing here reads HTML.

/** `p.soft`, attributes, if any, where functions listen to events; then nodes, texts, or nothing. @returns {any} */
export function element(kind, ...children) {
  const [name, ...classes] = kind.split(".");
  const made = document.createElement(name);
  made.className = classes.join(" ");
  for (const [key, value] of Object.entries(children[0]?.constructor === Object ? children.shift() : {})) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value != null) made.setAttribute(key, value);
  }
  return fill(made, ...children);
}

export function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child != null && child !== false));
  return node;
}

export const button = (name, click, style = "") => element(`button${style}`, { click }, name);

/** The first element that fits. */
export const find = (selector, within = document) => within.querySelector(selector);

export const finder = (within) => (selector) => find(selector, within);

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Does it soon: once for many calls, after `least` ms, and for a quarter of the time at most. */
export function soon(f, least = 100) {
  let asked = false;
  let busy = false;
  const run = async () => {
    busy = true;
    // Whoever asks goes on first.
    await null;
    while (asked) {
      asked = false;
      const began = performance.now();
      f();
      // What nobody sees is not painted.
      if (!document.hidden) await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      await pause(Math.min(1000, Math.max(least, 3 * (performance.now() - began))));
    }
    busy = false;
  };
  return () => {
    asked = true;
    if (!busy) run();
  };
}
