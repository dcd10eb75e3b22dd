// The page: who is on it, and which of them is looked at.

import { code } from "./code.js";
import { button, element, find } from "./dom.js";
import { follow, redraw } from "./frames.js";
import { parts, showParts } from "./parts.js";
import { openSide } from "./side.js";
import { tally } from "./tally.js";
import { team } from "./team.js";

const sides = new Map();
const tabs = find(".tabs");
/** What was touched last. @type {any} */
let touched = null;
const running = await parts();
const gateways = running.gateways.map(({ url }) => url ?? "");
const acted = code(gateways[0]);

/** What is open beside the two: after a reload it is again. */
const opened = new URLSearchParams(location.hash.slice(1));

addTab("system", "Break");
const alice = open("Alice", "alice", "bob");
const bob = open("Bob", "bob", "alice");
const second = find(".second", bob.node);
const count = tally(alice, bob);
showParts(running);
team(alice, opened.get("team"), openTeam);
if (opened.has("tablet")) openSecond();
else second.hidden = false;
show("alice");

/** What is undefined is open no more. */
function keep(name, value) {
  if (value === undefined) opened.delete(name);
  else opened.set(name, value);
  history.replaceState(null, "", `#${opened}`);
}

function open(title, user, peer, name = title.toLowerCase()) {
  const badge = element("span", { class: "primary" });
  addTab(name, title).append(badge);
  const side = openSide({ name, title, user, peer }, gateways, acted, (unread) => {
    badge.hidden = !unread;
    badge.textContent = `${unread}`;
  });
  sides.set(name, side);
  find("#sides").append(side.node);
  follow(title, side.network);
  return side;
}

function openSecond() {
  const tablet = open("Tablet", "bob", "alice");
  const close = find(".close", tablet.node);
  keep("tablet", "");
  close.hidden = false;
  second.hidden = true;
  close.onclick = () => {
    tablet.close();
    sides.delete("tablet");
    find("[data-tab=tablet]").remove();
    keep("tablet");
    second.hidden = false;
    show("bob");
    second.focus();
  };
  return tablet;
}

function openTeam(address) {
  keep("team", address);
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

function addTab(name, title) {
  const tab = button(title, () => show(name), "small strong");
  tab.dataset.tab = name;
  tabs.insertBefore(tab, find("[data-tab=system]"));
  return tab;
}

/** On a phone one side is shown at a time. */
function show(name) {
  document.body.dataset.shown = name;
  for (const [own, { node }] of sides) node.classList.toggle("shown", own === name);
  for (const tab of tabs.children) tab.ariaCurrent = tab.dataset.tab === name;
  attend();
}

/** What is read is on the device that was touched last, or the only one that is shown. */
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
document.addEventListener("visibilitychange", attend);

/** @type {NodeListOf<HTMLElement>} */
const toggles = document.querySelectorAll("[aria-expanded]");
for (const chosen of toggles) {
  chosen.onclick = () => {
    for (const toggle of toggles) {
      const panel = find(`#${toggle.getAttribute("aria-controls")}`);
      panel.hidden = toggle !== chosen || !panel.hidden;
      toggle.ariaExpanded = `${!panel.hidden}`;
    }
    redraw();
  };
}
