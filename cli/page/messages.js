// The messages of one conversation: drawn from the newest back as far as somebody looks, and followed while its end is in view.

import { find, inNextFrame } from "./dom.js";
import { Row } from "./message.js";
import { dayName } from "./words.js";

/** @import { Conversation, Message } from "/dunlin.js" */

/** How many are drawn at first, and how many more at a time. */
const DRAWN = 150;
const MORE = 100;
/** Messages of one person within so many ms stand close together. */
const CLOSE = 120_000;
/** So near to its end, in px, a conversation is followed. */
const NEAR = 48;

export class Messages {
    /** Whether the end is in view. */
    followed = true;
    /** @type {readonly Message[]} */
    #messages = [];
    /** @type {Map<string, Row>} */
    #rows = new Map();
    #limit = DRAWN;
    /** Whether there may be earlier ones that the client has not asked for. */
    #more = true;
    #unseen = 0;
    /** @type {Conversation | undefined} */
    #conversation;
    #stop = () => {};
    #wishes;
    #seen;

    /** @param {HTMLElement} side @param {Omit<import("./message.js").Wishes, "show">} wishes @param {() => void} seen The end is in view. */
    constructor(side, wishes, seen) {
        this.#wishes = { ...wishes, show: (/** @type {string} */ id) => this.#show(id) };
        this.#seen = seen;
        this.empty = find(".empty", side);
        this.scroll = find(".scroll", side);
        this.list = find(".messages", side);
        this.earlier = find(".earlier", side);
        this.toEnd = find(".to-end", side);
        this.scroll.onscroll = () => {
            this.followed = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < NEAR;
            if (this.followed) this.#reached();
        };
        this.toEnd.onclick = () => this.end();
        this.earlier.onclick = () => this.#back();
        this.list.onkeydown = (/** @type {KeyboardEvent} */ event) => this.#key(event);
        new ResizeObserver(() => this.followed && this.end()).observe(this.scroll);
    }

    /** @param {Conversation} conversation */
    open(conversation) {
        this.#stop();
        this.#conversation = conversation;
        this.#limit = DRAWN;
        this.#more = this.followed = true;
        this.#messages = [];
        this.#stop = conversation.messages.subscribe((messages) => {
            this.#unseen += Math.max(0, messages.length - this.#messages.length);
            this.#messages = messages;
            this.draw();
        });
    }

    /** Shows the newest. */
    end() {
        this.followed = true;
        this.scroll.scrollTop = this.scroll.scrollHeight;
        this.#reached();
    }

    draw = inNextFrame(() => {
        const fromEnd = this.scroll.scrollHeight - this.scroll.scrollTop;
        // Who looks at what was earlier keeps it in view.
        this.#limit = this.followed ? DRAWN : Math.max(this.#limit, this.list.childElementCount + this.#unseen);
        const shown = this.#messages.slice(-this.#limit);
        this.#place(shown);
        this.empty.hidden = shown.length > 0;
        this.earlier.hidden = shown.length === this.#messages.length && !(this.#more && shown.length > 20);
        if (this.followed) return this.end();
        if (!this.#unseen) this.scroll.scrollTop = this.scroll.scrollHeight - fromEnd;
        this.toEnd.hidden = !this.#unseen;
        this.toEnd.textContent = `${this.#unseen} new ↓`;
    });

    #reached() {
        this.#unseen = 0;
        this.toEnd.hidden = true;
        this.#seen();
    }

    /** @param {readonly Message[]} shown */
    #place(shown) {
        const keys = new Set(shown.map((message) => message.key));
        for (const [key, row] of this.#rows) {
            if (keys.has(key)) continue;
            row.node.remove();
            this.#rows.delete(key);
        }
        const byId = new Map(this.#messages.map((message) => [message.id, message]));
        let next = this.list.firstElementChild;
        /** @type {{from?: string, time: number, day?: string}} */
        let before = { time: 0 };
        for (const message of shown) {
            const row = this.#rows.get(message.key) ?? new Row(this.#wishes);
            this.#rows.set(message.key, row);
            row.draw(message, message.replyTo ? byId.get(message.replyTo) : undefined);
            if (row.node === next) next = next.nextElementSibling;
            else this.list.insertBefore(row.node, next);
            const day = dayName(message.time);
            row.node.classList.toggle("same", day === before.day && message.from === before.from && message.time - before.time < CLOSE);
            if (day === before.day) row.node.removeAttribute("data-day");
            else row.node.setAttribute("data-day", day);
            before = { from: message.from, time: message.time, day };
        }
    }

    async #back() {
        this.followed = false;
        if (this.#limit >= this.#messages.length) {
            const had = this.#messages.length;
            await this.#conversation?.older(MORE).catch(() => {});
            this.#more = this.#messages.length > had;
        }
        this.#unseen = 0;
        this.#limit += MORE;
        this.draw();
    }

    /** @param {string} id */
    #show(id) {
        const row = [...this.#rows.values()].find(({ message }) => message?.id === id);
        row?.node.scrollIntoView({ block: "center" });
        row?.node.focus({ preventScroll: true });
    }

    /** Arrows go from message to message. @param {KeyboardEvent} event */
    #key(event) {
        const here = /** @type {HTMLElement} */ (event.target);
        const { firstElementChild, lastElementChild } = this.list;
        const there = {
            ArrowUp: here === this.list ? lastElementChild : here.previousElementSibling,
            ArrowDown: here.nextElementSibling,
            Home: firstElementChild,
            End: lastElementChild,
        }[event.key];
        if (!there || (here !== this.list && !here.matches(".message"))) return;
        event.preventDefault();
        there.focus();
    }
}
