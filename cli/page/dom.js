// Building elements. Text is only ever put as text: nothing here reads HTML.

/** Attributes that are functions listen to the event of that name; children are nodes and texts, or nothing. @returns {any} */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else made.setAttribute(key, value);
  }
  return fill(made, ...children);
}

/** Has an element hold these, and nothing else. */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child != null && child !== false));
  return node;
}

export const button = (name, click, style = "") => element("button", { class: style, click }, name);

/** The first element that fits. @param {any} within */
export const find = (selector, within = document) => within.querySelector(selector);

/** What does `f`, which draws, soon: once for however many calls, and for a quarter of the time at most. */
export function soon(f) {
  let asked = false;
  let busy = false;
  const run = async () => {
    busy = true;
    // Whoever asks does the rest of it first.
    await null;
    while (asked) {
      asked = false;
      const began = performance.now();
      f();
      // Painting takes longest. What nobody sees is not painted.
      if (!document.hidden) await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      const pause = Math.min(1000, Math.max(100, 3 * (performance.now() - began)));
      await new Promise((done) => setTimeout(done, pause));
    }
    busy = false;
  };
  return () => {
    asked = true;
    if (!busy) run();
  };
}
