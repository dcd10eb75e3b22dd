// The page: who is on it, and which of them is looked at.

import { code } from "./code.js";
import { button, element, find } from "./dom.js";
import { follow, redraw } from "./frames.js";
import { parts, showParts } from "./parts.js";
import { Side } from "./side.js";
import { tally } from "./tally.js";

/** @import { Who } from "./side.js" */

/** Bob's second device is there for as long as the address ends with this. */
const SECOND = "#tablet";
/** @type {Who} */
const ALICE = { name: "alice", title: "Alice", user: "alice", peer: "bob" };
/** @type {Who} */
const BOB = { name: "bob", title: "Bob", user: "bob", peer: "alice" };
/** @type {Who} */
const TABLET = { name: "tablet", title: "Bob’s tablet", user: "bob", peer: "alice", device: "tablet" };

const running = await parts();
const gateways = running.gateways.map(({ url }) => url ?? "");
showParts(running);
const acted = code(gateways[0].replace(/^ws/, "http"));
/** @type {Map<string, Side>} */
const sides = new Map();
const tabs = find(".tabs");

tabs.append(button("Break", () => show("system")));
tabs.lastChild.dataset.tab = "system";
const alice = open(ALICE);
const bob = open(BOB);
tally(alice, bob);
drawers();
const second = find(".second", bob.node);
second.onclick = openSecond;
second.hidden = false;
if (location.hash === SECOND) openSecond();
show("alice");

/** @param {Who} who */
function open(who) {
    const side = new Side(who, gateways, acted);
    sides.set(who.name, side);
    find("#sides").append(side.node);
    follow(who.title, side.client);
    const badge = element("span", { class: "badge", hidden: true });
    const tab = button(who.title, () => show(who.name));
    tab.dataset.tab = who.name;
    tab.append(badge);
    tabs.lastChild.before(tab);
    side.node.addEventListener("unread", () => {
        badge.hidden = !side.unread;
        badge.textContent = `${side.unread}`;
    });
    return side;
}

function openSecond() {
    history.replaceState(null, "", SECOND);
    second.hidden = true;
    const tablet = open(TABLET);
    const close = find(".close", tablet.node);
    close.hidden = false;
    close.onclick = () => {
        history.replaceState(null, "", location.pathname);
        tablet.close();
        sides.delete(TABLET.name);
        find(`[data-tab=${TABLET.name}]`).remove();
        second.hidden = false;
        show("bob");
        second.focus();
    };
    show(TABLET.name);
    tablet.composer.text.focus();
}

/** On a phone one side is shown at a time. @param {string} name */
function show(name) {
    document.body.dataset.shown = name;
    for (const side of sides.values()) side.node.classList.toggle("shown", side.who.name === name);
    for (const tab of tabs.children) tab.setAttribute("aria-current", tab.dataset.tab === name);
    attend();
}

/** What is on a device is read by whoever sits before it: the one that was touched last, or the only one that is shown. */
function attend() {
    const one = getComputedStyle(tabs).display !== "none";
    for (const [name, side] of sides) side.active = one ? name === document.body.dataset.shown : side.node.contains(touched);
}

/** @type {Node | null} */
var touched = null;
for (const kind of ["pointerdown", "focusin"]) {
    addEventListener(kind, ({ target }) => {
        touched = /** @type {Node} */ (target);
        attend();
    });
}
document.addEventListener("visibilitychange", attend);

/** Of the two drawers one is open at most. */
function drawers() {
    const toggles = [find("#frames-toggle"), find("#code-toggle")];
    for (const chosen of toggles) {
        chosen.onclick = () => {
            for (const toggle of toggles) {
                const panel = find(`#${toggle.getAttribute("aria-controls")}`);
                panel.hidden = toggle !== chosen || !panel.hidden;
                toggle.setAttribute("aria-expanded", `${!panel.hidden}`);
            }
            redraw();
        };
    }
}
