// What runs behind the page, and the buttons that kill it.

import { button, element, find } from "./dom.js";

/**
 * @typedef {{url: string | null, pid: number | null, since: number | null, restarts: number}} Part `since`: when it began to work.
 * @typedef {{gateways: Part[], worker: Part | null, nats: Part | null}} Parts
 */

/** So often, in ms, is looked: mostly, and for some seconds after a kill. */
const CALM = 1000;
const BUSY = 150;
const BUSY_FOR = 5000;

/** @returns {Promise<Parts>} */
export const parts = async () => (await fetch("/dev/parts")).json();

/** Shows what runs, from now on. @param {Parts} first */
export function showParts(first) {
    /** @type {Map<string, (part: Part | undefined) => void>} */
    const rows = new Map();
    let busyUntil = 0;

    /** @param {Parts} now */
    const tell = ({ gateways, worker, nats }) => {
        for (const [at, part] of gateways.entries()) tellOne(`gateway ${at + 1}`, `gateway/${at + 1}`, part);
        if (worker) tellOne("worker", "worker", worker);
        if (nats) tellOne("nats-server", "nats", nats);
    };
    /** @param {string} name @param {string} path @param {Part} part */
    const tellOne = (name, path, part) => {
        const row = rows.get(name) ?? addRow(name, () => {
            busyUntil = performance.now() + BUSY_FOR;
            find("#parts-said").textContent = `${name} killed`;
            fetch(`/dev/kill/${path}`, { method: "POST" }).catch(() => {});
        });
        rows.set(name, row);
        row(part);
    };
    const look = async () => {
        // Where nobody answers, `dunlin dev` itself is gone, and everything with it.
        await parts().then(tell, () => rows.forEach((row) => row(undefined)));
        setTimeout(look, performance.now() < busyUntil ? BUSY : CALM);
    };
    tell(first);
    look();
}

/** @param {string} name @param {() => void} kill */
function addRow(name, kill) {
    const how = element("p");
    const press = button("Kill", kill);
    press.setAttribute("aria-label", `Kill ${name}`);
    const node = element("li", {}, element("div", {}, element("h3", {}, name), how), press);
    find("#parts").append(node);
    return (/** @type {Part | undefined} */ part) => {
        const works = Boolean(part?.since);
        node.classList.toggle("down", !works);
        press.disabled = !works;
        const { pid, restarts } = part ?? {};
        const times = restarts === 1 ? ", started again once" : restarts ? `, started again ${restarts} times` : "";
        how.textContent = (works ? `process ${pid}` : part ? "is being started" : "is gone") + times;
    };
}
