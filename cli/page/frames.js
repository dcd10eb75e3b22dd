// The drawer of frames, which clients say and hear.

import { element, find, soon } from "./dom.js";
import { figure } from "./words.js";

const KEPT = 400;

const [list, wanted, pause] = ["list", "side", "pause"].map((name) => find(`#frames-${name}`));
let kept = [];
let fresh = 0;
let count = 0;

wanted.onchange = redraw;
find("#frames-clear").onclick = () => {
  kept = [];
  redraw();
};

export function follow(side, network) {
  if (![...wanted.options].some(({ value }) => value === side)) wanted.append(element("option", side));
  network.saw = (direction, frame) => {
    count += 1;
    draw();
    if (pause.checked) return;
    fresh += 1;
    kept.push({ side, at: new Date(), direction, frame });
    if (kept.length >= 2 * KEPT) kept = kept.slice(-KEPT);
  };
}

export function redraw() {
  list.replaceChildren();
  fresh = KEPT;
  draw();
}

const draw = soon(() => {
  find("#frames-count").textContent = figure(count);
  if (list.closest("[hidden]") || !fresh) return;
  const followed = list.scrollHeight - list.scrollTop - list.clientHeight < 48;
  list.append(...kept.slice(-fresh).filter(({ side }) => !wanted.value || side === wanted.value).map(row));
  while (list.childElementCount > KEPT) list.firstElementChild.remove();
  fresh = 0;
  if (followed) list.scrollTop = list.scrollHeight;
}, 250);

function row({ side, at, direction, frame }) {
  const [kind, said] = Object.entries(frame)[0] ?? [];
  const whole = element("pre");
  const sent = direction === "out";
  return element(sent ? "li.sent" : "li",
    element("details", { toggle: () => (whole.textContent = JSON.stringify(frame, null, 2)) },
      element("summary",
        element("span.soft", at.toTimeString().slice(0, 8)),
        element("span", side),
        element("span.way", { title: sent ? "sent" : "received" }, sent ? "→" : "←"),
        element("b", kind),
        element("span.soft.cut", { dir: "auto" }, JSON.stringify(said)?.slice(0, 300))),
      whole));
}
