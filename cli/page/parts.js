// What runs behind the page, and the buttons that kill it.

import { button, element, find } from "./dom.js";

/**
 * @typedef {{url: string | null, pid: number | null, since: number | null, restarts: number}} Part `since`: when it began to work.
 * @typedef {{gateways: Part[], worker: Part | null, nats: Part | null}} Parts
 */

/** So often, in ms, is looked: what is killed is there again soon. */
const EVERY = 250;

/** @returns {Promise<Parts>} */
export const parts = async () => (await fetch("/dev/parts")).json();

/** @type {Record<string, (part?: Part) => void>} */
const rows = {};

/** Shows what runs, from now on. @param {Parts | undefined} now */
export async function showParts(now) {
    for (;;) {
        const { gateways = [], ...others } = now ?? {};
        const all = [...gateways.map((part, at) => [`gateway/${at + 1}`, part]), ...Object.entries(others)];
        for (const [path, part] of /** @type {[string, Part | null][]} */ (all)) if (part) (rows[path] ??= addRow(path))(part);
        // Where nobody answers, `dunlin dev` itself is gone, and everything with it.
        if (!now) Object.values(rows).forEach((tell) => tell());
        await new Promise((done) => setTimeout(done, EVERY));
        now = await parts().catch(() => undefined);
    }
}

/** @param {string} path */
function addRow(path) {
    const name = path.replace("/", " ").replace("nats", "nats-server");
    const how = element("p", { class: "soft" });
    const times = element("span", { class: "soft" });
    const kill = button("Kill", () => {
        find("#said").textContent = `${name} killed`;
        fetch(`/dev/kill/${path}`, { method: "POST" }).catch(() => {});
    });
    kill.ariaLabel = `Kill ${name}`;
    const node = element("li", { class: "row small" }, element("div", { class: "grow" }, element("h3", {}, name, times), how), kill);
    find("#parts").append(node);
    return (/** @type {Part | undefined} */ part) => {
        kill.disabled = node.classList.toggle("down", !part?.since);
        how.textContent = part?.since ? `process ${part.pid}` : part ? "is being started" : "is gone";
        times.textContent = part?.restarts ? ` restarted ${part.restarts}×` : "";
    };
}
