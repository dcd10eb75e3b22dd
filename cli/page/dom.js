// Building elements. Text is only ever put as text: nothing here reads HTML.

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, any>} [attributes] A function listens to the event of that name.
 * @param {any[]} children Nodes and texts; `false`, `null` and `undefined` are nothing.
 */
export function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function") made.addEventListener(key, value);
        else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child != null && child !== false));
    return made;
}

/** @param {string} name @param {() => void} click @param {string} [style] */
export const button = (name, click, style = "") => element("button", { class: style, click }, name);

/** The first element that fits. @param {string} selector @param {ParentNode} [within] @returns {any} */
export const find = (selector, within = document) => within.querySelector(selector);

/** What does `f` soon, once for however many calls, and the less often the longer that takes. @param {() => void} f */
export function soon(f) {
    let waits = false;
    let next = 0;
    const run = () => {
        waits = false;
        const began = performance.now();
        f();
        const ended = performance.now();
        next = ended + Math.max(100, 6 * (ended - began));
    };
    return () => {
        if (!waits) setTimeout(run, next - performance.now());
        waits = true;
    };
}
