// The page: who is on it, and which of them is looked at.

import { code } from "./code.js";
import { element, find } from "./dom.js";
import { follow, redraw } from "./frames.js";
import { parts, showParts } from "./parts.js";
import { openSide } from "./side.js";
import { tally } from "./tally.js";
import { team } from "./team.js";

const sides = new Map();
const tabs = find(".tabs");
/** What was touched last. */
let touched;
const running = await parts();
const gateways = running.gateways.map(({ url }) => url ?? "");
const acted = code(gateways[0]);
/** What is open beside the two, also after a reload. */
const opened = sessionStorage;

addTab("Break");
const alice = open("Alice", "alice", "bob");
const bob = open("Bob", "bob", "alice");
const second = find(".second", bob.node);
const count = tally(alice, bob);
showParts(running);
team(alice, opened.team, openTeam);
if (opened.tablet) openSecond();
else second.hidden = false;
show("alice");

function open(title, user, peer) {
  const badge = element("span.primary");
  const name = addTab(title, badge);
  const side = openSide({ name, title, user, peer }, gateways, acted, (unread) => {
    badge.hidden = !unread;
    badge.textContent = unread;
  });
  sides.set(name, side);
  find("#sides").append(side.node);
  follow(title, side.network);
  return side;
}

function openSecond() {
  const tablet = open("Tablet", "bob", "alice");
  const close = find(".close", tablet.node);
  opened.tablet = "open";
  close.hidden = false;
  second.hidden = true;
  close.onclick = () => {
    tablet.close();
    sides.delete("tablet");
    find("[data-tab=tablet]").remove();
    delete opened.tablet;
    second.hidden = false;
    show("bob");
    second.focus();
  };
  return tablet;
}

function openTeam(address) {
  opened.team = address;
  for (const side of [alice, bob, open("Carol", "carol", "alice")]) {
    count(side, address);
    side.talk(address);
  }
}

second.onclick = () => {
  const tablet = openSecond();
  show("tablet");
  find("textarea", tablet.node).focus();
};

function addTab(title, badge = "") {
  const name = title.toLowerCase();
  const tab = element("button.small.strong", { click: () => show(name), "data-tab": name }, title, badge);
  tabs.insertBefore(tab, find("[data-tab=break]"));
  return name;
}

function show(name) {
  document.body.dataset.shown = name;
  for (const [own, { node }] of sides) node.classList.toggle("shown", own === name);
  for (const tab of tabs.children) tab.ariaCurrent = tab.dataset.tab === name;
  attend();
}

/** Somebody sits before the device that was touched last, or the only one that is shown. */
function attend() {
  const one = matchMedia("(max-width: 760px)").matches;
  for (const [name, side] of sides) side.attend(one ? name === document.body.dataset.shown : side.node.contains(touched));
}
for (const kind of ["pointerdown", "focusin"]) {
  addEventListener(kind, ({ target }) => {
    touched = target;
    attend();
  });
}
document.onvisibilitychange = attend;

const drawers = ["frames", "code"].map((name) => [find(`[aria-controls=${name}]`), find(`#${name}`)]);
for (const [toggle, own] of drawers) {
  toggle.onclick = () => {
    for (const [other, panel] of drawers) {
      panel.hidden = panel !== own || !panel.hidden;
      other.ariaExpanded = !panel.hidden;
    }
    redraw();
  };
}
