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

/** What does `f` in the next frame, once. A page that nobody sees has no frames. @param {() => void} f */
export function inNextFrame(f) {
    let waits = false;
    const run = () => {
        waits = false;
        f();
    };
    return () => {
        if (!waits) document.hidden ? setTimeout(run, 100) : requestAnimationFrame(run);
        waits = true;
    };
}
