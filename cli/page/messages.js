// The messages of one conversation: drawn from the newest back as far as somebody looks, and followed while its end is in view.

import { find, soon } from "./dom.js";
import { makeRow } from "./message.js";

/** @import { Conversation, Message } from "/dunlin.js" */

/** How many are drawn at first, and how many more at a time. */
const DRAWN = 80;
const MORE = 100;
/** So near to its end, in px, a conversation is followed. */
const NEAR = 48;

/** @param {HTMLElement} side @param {import("./message.js").AllWishes} wishes @param {() => void} seen Told when the end is in view. */
export function messagesOf(side, wishes, seen) {
    const [empty, scroll, list, earlier, toEnd] =
        [".empty", ".scroll", ".messages", ".earlier", ".to-end"].map((selector) => find(selector, side));
    /** @type {readonly Message[]} */
    let all = [];
    /** @type {Map<string, ReturnType<typeof makeRow>>} */
    const rows = new Map();
    let limit = DRAWN;
    let followed = true;
    /** Whether there may be earlier ones that the client has not brought. */
    let more = true;
    let unseen = 0;
    let top = 0;
    let older = async () => true;
    let stop = () => {};

    /** Shows the newest. */
    const end = () => {
        scroll.scrollTop = scroll.scrollHeight;
        followed = true;
        reached();
    };
    const reached = () => {
        unseen = 0;
        toEnd.hidden = true;
        seen();
    };
    const draw = soon(() => {
        const fromEnd = followed ? 0 : scroll.scrollHeight - scroll.scrollTop;
        // Who looks at what was earlier keeps it in view.
        limit = followed ? DRAWN : Math.max(limit, list.childElementCount + unseen);
        const shown = all.slice(-limit);
        place(shown);
        empty.hidden = shown.length > 0;
        earlier.hidden = shown.length === all.length && !(more && shown.length > 20);
        if (followed) return end();
        if (!unseen) scroll.scrollTop = scroll.scrollHeight - fromEnd;
        toEnd.hidden = !unseen;
        toEnd.textContent = `${unseen} new ↓`;
    });

    /** @param {readonly Message[]} shown */
    function place(shown) {
        const keys = new Set(shown.map((message) => message.key));
        for (const [key, { node }] of rows) {
            if (keys.has(key)) continue;
            node.remove();
            rows.delete(key);
        }
        const byId = new Map(all.map((message) => [message.id, message]));
        let next = list.firstElementChild;
        shown.forEach((message, at) => {
            const row = rows.get(message.key) ?? makeRow(wishes);
            rows.set(message.key, row);
            row.draw(message, message.replyTo ? byId.get(message.replyTo) : undefined);
            if (row.node === next) next = next.nextElementSibling;
            else list.insertBefore(row.node, next);
            row.node.classList.toggle("same", message.from === shown[at - 1]?.from);
        });
    }

    scroll.onscroll = () => {
        const near = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;
        followed = near || (followed && scroll.scrollTop >= top);
        top = scroll.scrollTop;
        if (near) reached();
    };
    new ResizeObserver(() => followed && end()).observe(scroll);
    toEnd.onclick = end;
    earlier.onclick = async () => {
        followed = false;
        if (limit >= all.length) more = await older().catch(() => true);
        unseen = 0;
        limit += MORE;
        draw();
    };
    // Arrows go from message to message.
    list.onkeydown = (/** @type {KeyboardEvent & {target: HTMLElement}} */ event) => {
        const here = event.target;
        if (here !== list && here.parentNode !== list) return;
        const { previousElementSibling: before, nextElementSibling: after } = here;
        const there = { ArrowUp: here === list ? list.lastElementChild : before, ArrowDown: after }[event.key];
        there?.focus();
        if (there) event.preventDefault();
    };

    /** @param {Conversation} conversation */
    const open = (conversation) => {
        stop();
        older = () => conversation.older(MORE);
        more = followed = true;
        all = [];
        stop = conversation.messages.subscribe((messages) => {
            unseen += Math.max(0, messages.length - all.length);
            all = messages;
            draw();
        });
    };
    return { list, open, draw, end, isFollowed: () => followed };
}
