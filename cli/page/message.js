// One message as it is drawn, and what can be done with it.

import { button, element, icon, pictureButton } from "./dom.js";
import { clockTime, linked, nameOf } from "./words.js";

/** @import { Message } from "/dunlin.js" */
/** @typedef {Record<"reply" | "edit" | "remove" | "retry" | "discard", (message: Message) => void>
 *  & {react: (message: Message, emoji: string, on: boolean) => void, show: (id: string) => void}} Wishes What a person may want of it. */

/** How each state is said and drawn. @type {Record<string, [words: string, symbol: string, style?: string]>} */
const STATES = {
    sending: ["Sending", "clock"],
    sent: ["Sent", "sent", "ticks"],
    delivered: ["Delivered", "delivered", "ticks"],
    read: ["Read", "delivered", "ticks"],
    failed: ["Not sent", "failed"],
};
const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🎉"];

/** @param {Message} message */
export const whose = (message) => (message.mine ? "You" : nameOf(message.from));

/** Whether it can be acted on: it is stored, and not taken back. @param {Message} message */
export const stands = ({ id, mine, state, deleted }) => Boolean(id && !deleted && !(mine && /sending|failed/.test(state)));

export class Row {
    /** @type {Message | undefined} */
    message;
    /** The message that this one answers. @type {Message | undefined} */
    #answered;
    /** @type {HTMLElement | undefined} */
    #tools;
    #wishes;

    /** @param {Wishes} wishes */
    constructor(wishes) {
        this.#wishes = wishes;
        const arm = () => this.#arm();
        this.node = element("li", { tabindex: -1, pointerenter: arm, focusin: arm, keydown: (/** @type {any} */ event) => this.#key(event) });
    }

    /** @param {Message} message @param {Message | undefined} answered */
    draw(message, answered) {
        if (message === this.message && answered === this.#answered) return;
        this.message = message;
        this.#answered = answered;
        const { mine, state, deleted, replyTo, text, data, reactions, error } = message;
        const wish = this.#wishes;
        const inside = this.node.contains(document.activeElement);
        this.node.className = `message ${mine ? `mine ${state}` : ""} ${deleted ? "deleted" : ""}`;
        this.node.replaceChildren(element("div", { class: "bubble" },
            element("span", { class: "hidden" }, `${whose(message)}: `),
            replyTo && !deleted && element("button", { type: "button", class: "quote", click: () => wish.show(replyTo) },
                element("span", { class: "hidden" }, "In answer to "),
                element("bdi", {}, answered ? whose(answered) : "An earlier message"),
                answered && element("span", { dir: "auto" }, answered.text ?? "…")),
            element("div", { class: "text", dir: "auto" },
                ...(deleted ? ["This message was deleted."] : text != null ? linked(text) : [data ? "(data for a program)" : ""])),
            meta(message)));
        if (reactions?.length) {
            this.node.append(element("div", { class: "reactions" }, ...reactions.map(({ emoji, from, mine }) => element("button", {
                type: "button",
                "aria-pressed": `${mine}`,
                title: from.map(nameOf).join(", "),
                click: () => wish.react(message, emoji, !mine),
            }, element("bdi", {}, emoji), from.length > 1 && ` ${from.length}`))));
        }
        if (mine && state === "failed") {
            this.node.append(element("div", { class: "failure" },
                element("span", { dir: "auto" }, `Not sent: ${error?.message || error?.code || "nobody said why"}`),
                button("Try again", () => wish.retry(message)),
                button("Discard", () => wish.discard(message))));
        }
        this.#tools = undefined;
        if (inside || this.node.matches(":hover")) this.#arm();
        if (inside) this.node.focus({ preventScroll: true });
    }

    /** What can be done is put beside the message when somebody comes near. */
    #arm() {
        if (this.#tools || !this.message || !stands(this.message)) return;
        this.#tools = element("div", { class: "tools", role: "toolbar", "aria-label": "What to do with this message" });
        this.node.firstElementChild?.append(this.#tools);
        this.#offer();
    }

    #offer() {
        const message = /** @type {Message} */ (this.message);
        const wish = this.#wishes;
        this.#tools?.replaceChildren(
            pictureButton("smile", "React", () => this.#ask(...EMOJI.map((emoji) => button(emoji, () => {
                wish.react(message, emoji, !message.reactions.some((reaction) => reaction.emoji === emoji && reaction.mine));
                this.#leave();
            }, "quiet")))),
            pictureButton("reply", "Reply", () => wish.reply(message)));
        if (!message.mine) return;
        this.#tools?.append(
            pictureButton("pencil", "Edit", () => wish.edit(message)),
            pictureButton("bin", "Delete", () => this.#ask(
                button("Delete for both", () => wish.remove(message), "quiet sure"),
                button("Keep", () => this.#leave(), "quiet"))));
    }

    /** @param {HTMLElement[]} choices */
    #ask(...choices) {
        this.#tools?.replaceChildren(...choices);
        choices[0].focus();
    }

    #leave() {
        this.#offer();
        this.node.focus({ preventScroll: true });
    }

    /** @param {KeyboardEvent} event */
    #key(event) {
        const message = /** @type {Message} */ (this.message);
        if (event.key === "Escape") return this.#leave();
        if (event.target !== this.node || event.ctrlKey || event.metaKey || event.altKey || !stands(message)) return;
        if (event.key === "r") this.#wishes.reply(message);
        else if (event.key === "e" && message.mine) this.#wishes.edit(message);
        else return;
        event.preventDefault();
    }
}

/** @param {Message} message */
function meta({ mine, state, edited, time }) {
    const at = new Date(time);
    const [words, symbol, style] = (mine && STATES[state]) || [];
    return element("div", { class: "meta" },
        edited && element("span", {}, "edited"),
        element("time", { datetime: at.toISOString(), title: at.toLocaleString() }, clockTime(time)),
        symbol && element("span", { class: "state", title: words }, icon(symbol, style), element("span", { class: "hidden" }, words)));
}
