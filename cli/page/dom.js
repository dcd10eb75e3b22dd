// Building elements. Text is only ever put as text: nothing here reads HTML.

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, any>} [attributes] A function listens to the event of that name; `true` is an attribute without a value.
 * @param {any[]} children Nodes and texts; `false`, `null` and `undefined` are nothing.
 */
export function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function") made.addEventListener(key, value);
        else if (value != null && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child != null && child !== false));
    return made;
}

/** @param {string} name @param {() => void} click @param {string} [style] */
export const button = (name, click, style) => element("button", { type: "button", class: style, click }, name);

/** A button that is a picture, and says its name as well. @param {string} symbol @param {string} name @param {() => void} click */
export const pictureButton = (symbol, name, click) =>
    element("button", { type: "button", class: "quiet", "aria-label": name, title: name, click }, icon(symbol));

/** One of the page's symbols. @param {string} name @param {string} [style] */
export function icon(name, style = "") {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", style);
    svg.appendChild(document.createElementNS(svg.namespaceURI, "use")).setAttribute("href", `#${name}`);
    return svg;
}

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
