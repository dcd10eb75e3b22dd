// One message as it is drawn, and what can be done with it.

import { button, element } from "./dom.js";
import { clockTime, linked, nameOf } from "./words.js";

/** @import { Message } from "/dunlin.js" */
/** @typedef {(message: Message) => void} Wish */
/** @typedef {{reply: Wish, edit: Wish, remove: Wish, retry: Wish, discard: Wish}} Wishes */
/** @typedef {Wishes & {react: (message: Message, emoji: string, on: boolean) => void}} AllWishes */

/** @type {Record<string, string>} */
const STATES = { sending: "Sending", sent: "Sent", delivered: "Delivered", read: "Read", failed: "Not sent" };
const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🎉"];

/** @param {Message} message */
const whose = ({ mine, from }) => (mine ? "You" : nameOf(from));

/** Whether it can be acted on: it is stored, and not taken back. @param {Message} message */
export const stands = ({ id, mine, state, deleted }) => id && !deleted && !(mine && /sending|failed/.test(state ?? ""));

/** @param {string} name @param {() => void} click */
const tool = (name, click) => button(name, click, "quiet small");

/** @param {AllWishes} wish */
export function makeRow(wish) {
    /** @type {Message} */
    let message;
    /** The message that this one answers. @type {Message | undefined} */
    let answered;
    /** @type {HTMLElement | undefined} */
    let tools;
    const node = element("li", { tabindex: -1, pointerenter: arm, focusin: arm, keydown: key });

    /** What can be done is put beside the message when somebody comes near. */
    function arm() {
        if (tools || !stands(message)) return;
        tools = element("div", { class: "tools", role: "toolbar", "aria-label": "What to do with this message" });
        node.firstElementChild?.append(tools);
        offer();
    }

    function offer() {
        const emoji = EMOJI.map((emoji) => tool(emoji, () => {
            wish.react(message, emoji, !message.reactions.some((reaction) => reaction.emoji === emoji && reaction.mine));
            leave();
        }));
        const sure = [tool("Delete for both", () => wish.remove(message)), tool("Keep", leave)];
        tools?.replaceChildren(tool("React", () => ask(emoji)), tool("Reply", () => wish.reply(message)));
        if (message.mine) tools?.append(tool("Edit", () => wish.edit(message)), tool("Delete", () => ask(sure)));
    }

    /** @param {HTMLElement[]} choices */
    function ask(choices) {
        // The tools are there while the focus is.
        node.focus({ preventScroll: true });
        tools?.replaceChildren(...choices);
        choices[0].focus();
    }

    function leave() {
        offer();
        node.focus({ preventScroll: true });
    }

    /** @param {KeyboardEvent} event */
    function key(event) {
        if (event.key === "Escape") leave();
        if (event.target !== node || event.ctrlKey || event.metaKey || event.altKey || !stands(message)) return;
        if (event.key === "r") wish.reply(message);
        else if (event.key === "e" && message.mine) wish.edit(message);
        else return;
        event.preventDefault();
    }

    /** @param {Message} now @param {Message | undefined} nowAnswered */
    const draw = (now, nowAnswered) => {
        if (now === message && nowAnswered === answered) return;
        [message, answered, tools] = [now, nowAnswered, undefined];
        const { mine, state, deleted, replyTo, text, reactions, error } = now;
        const inside = node.contains(document.activeElement);
        node.className = `message ${mine ? `mine ${state}` : ""} ${deleted ? "deleted" : ""}`;
        node.replaceChildren(element("div", { class: "bubble" },
            element("span", { class: "hidden" }, `${whose(now)}: `),
            replyTo && !deleted && element("div", { class: "quote small cut" },
                element("bdi", { class: "strong" }, answered ? whose(answered) : "Earlier"), " ",
                element("span", { class: "soft", dir: "auto" }, answered?.text)),
            element("div", { class: "text", dir: "auto" },
                ...(deleted ? ["This message was deleted."] : linked(text ?? "(for a program)"))),
            meta(now)));
        if (reactions.length) {
            const all = reactions.map(({ emoji, from, mine }) => element("button", {
                class: "small",
                "aria-pressed": mine,
                title: from.map(nameOf).join(", "),
                click: () => wish.react(now, emoji, !mine),
            }, element("bdi", {}, emoji), from.length > 1 && ` ${from.length}`));
            node.append(element("div", { class: "reactions under row" }, ...all));
        }
        if (state === "failed") {
            node.append(element("div", { class: "under row small" },
                element("span", { class: "failure", dir: "auto" }, `Not sent: ${error?.message || error?.code}`),
                button("Try again", () => wish.retry(now)),
                button("Discard", () => wish.discard(now))));
        }
        if (inside || node.matches(":hover")) arm();
        if (inside) node.focus({ preventScroll: true });
    };
    return { node, draw };
}

/** @param {Message} message */
function meta({ state, edited, time }) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.appendChild(document.createElementNS(svg.namespaceURI, "use")).setAttribute("href", `#${state === "read" ? "delivered" : state}`);
    return element("div", { class: "meta" },
        edited && "edited",
        element("time", { datetime: new Date(time).toISOString() }, clockTime(time)),
        state && element("span", { class: "state", title: STATES[state] }, svg, element("span", { class: "hidden" }, STATES[state])));
}
