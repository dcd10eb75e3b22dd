// What runs behind the page, and the buttons that kill it.

import { button, element, find, pause } from "./dom.js";

/** ms between two looks: what is killed is there again soon. */
const EVERY = 250;

export const parts = async () => (await fetch("/dev/parts")).json();

const rows = {};

export async function showParts(now) {
  for (;;) {
    const { gateways = [], ...others } = now ?? {};
    const all = [...gateways.map((part, at) => [`gateway/${at + 1}`, part]), ...Object.entries(others)];
    for (const [path, part] of all) if (part) (rows[path] ??= addRow(path))(part);
    // Where nobody answers, `dunlin dev` itself is gone.
    if (!now) Object.values(rows).forEach((tell) => tell());
    await pause(EVERY);
    now = await parts().catch(() => undefined);
  }
}

function addRow(path) {
  const name = path.replace("/", " ").replace("nats", "nats-server");
  const how = element("p.soft");
  const kill = button("Kill", () => {
    find("#said").textContent = `${name} killed`;
    fetch(`/dev/kill/${path}`, { method: "POST" }).catch(() => {});
  });
  kill.ariaLabel = `Kill ${name}`;
  const node = element("li.row.small", element("div.grow", element("h3", name), how), kill);
  find("#parts").append(node);
  return (part) => {
    kill.disabled = node.classList.toggle("down", !part?.since);
    const times = part?.restarts ? `, restarted ${part.restarts}×` : "";
    how.textContent = part?.since ? `process ${part.pid}${times}` : part ? "is being started" : "is gone";
  };
}
