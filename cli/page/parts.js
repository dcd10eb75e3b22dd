// What runs behind the page, and the buttons that kill it.

import { button, element, find } from "./dom.js";

/** So often, in ms, is looked: what is killed is there again soon. */
const EVERY = 250;

export const parts = async () => (await fetch("/dev/parts")).json();

const rows = {};

/** Shows what runs, from now on. */
export async function showParts(now) {
  for (;;) {
    const { gateways = [], ...others } = now ?? {};
    const all = [...gateways.map((part, at) => [`gateway/${at + 1}`, part]), ...Object.entries(others)];
    for (const [path, part] of all) if (part) (rows[path] ??= addRow(path))(part);
    // Where nobody answers, `dunlin dev` itself is gone, and everything with it.
    if (!now) Object.values(rows).forEach((tell) => tell());
    await new Promise((done) => setTimeout(done, EVERY));
    now = await parts().catch(() => undefined);
  }
}

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
  return (part) => {
    kill.disabled = node.classList.toggle("down", !part?.since);
    how.textContent = part?.since ? `process ${part.pid}` : part ? "is being started" : "is gone";
    times.textContent = part?.restarts ? ` restarted ${part.restarts}×` : "";
  };
}
