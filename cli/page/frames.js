// The drawer of frames: what the clients say and hear, as it passes.

import { element, find } from "./dom.js";
import { figure } from "./words.js";

const KEPT = 400;
/** ms between two drawings. */
const EVERY = 250;

const list = find("#frames-list");
const wanted = find("#frames-side");
const pause = find("#frames-pause");
let kept = [];
/** How many of them came since the last drawing. */
let fresh = 0;
let count = 0;
let timer = 0;

wanted.onchange = redraw;
find("#frames-clear").onclick = () => {
  kept = [];
  redraw();
};

/** Shows the frames of this network as well. */
export function follow(side, network) {
  if (![...wanted.options].some(({ value }) => value === side)) wanted.append(element("option", { value: side }, side));
  network.saw = (direction, frame) => {
    count += 1;
    timer ||= setTimeout(draw, EVERY);
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

function draw() {
  timer = 0;
  find("#frames-count").textContent = figure(count);
  if (list.closest("[hidden]") || !fresh) return;
  const followed = list.scrollHeight - list.scrollTop - list.clientHeight < 48;
  list.append(...kept.slice(-fresh).filter(({ side }) => !wanted.value || side === wanted.value).map(row));
  while (list.childElementCount > KEPT) list.firstElementChild.remove();
  fresh = 0;
  if (followed) list.scrollTop = list.scrollHeight;
}

function row({ side, at, direction, frame }) {
  const [kind, said] = Object.entries(frame)[0] ?? [];
  const whole = element("pre");
  const sent = direction === "out";
  return element("li", { class: sent ? "sent" : "" },
    element("details", { toggle: () => (whole.textContent = JSON.stringify(frame, null, 2)) },
      element("summary", {},
        element("span", { class: "soft" }, at.toTimeString().slice(0, 8)),
        element("span", {}, side),
        element("span", { class: "way", title: sent ? "sent" : "received" }, sent ? "→" : "←"),
        element("b", {}, kind),
        element("span", { class: "soft cut", dir: "auto" }, JSON.stringify(said)?.slice(0, 300))),
      whole));
}
