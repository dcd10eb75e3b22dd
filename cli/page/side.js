// One person on one device: their client with a store of its own, what they see, and their network.

import { connect } from "/dunlin.js";
import { composer } from "./composer.js";
import { element, find } from "./dom.js";
import { stands } from "./message.js";
import { Messages } from "./messages.js";
import { Network } from "./network.js";
import { clockTime, nameOf } from "./words.js";

/**
 * @import { Conversation, Message } from "/dunlin.js"
 *
 * @typedef {object} Who
 * @property {string} name The side's own, and its store's.
 * @property {string} title
 * @property {string} user
 * @property {string} peer With whom they talk at first.
 * @property {string} [device] Where the library shall choose none.
 *
 * @typedef {{from: string, to: string, content: Record<string, any>}} Act What somebody did, in the protocol's words.
 */

/** No more often than this, in ms, a client says what was read. */
const READ_EVERY = 250;

export class Side {
    unread = 0;
    peer = "";
    /** @type {Conversation} */
    conversation;
    #network = new Network();
    #active = false;
    #readTimer = 0;
    #stop = () => {};
    #acted;

    /** @param {Who} who @param {string[]} gateways @param {(act: Act) => void} acted */
    constructor(who, gateways, acted) {
        this.who = who;
        this.#acted = acted;
        /** @type {HTMLElement} */
        this.node = find("#side").content.firstElementChild.cloneNode(true);
        this.node.dataset.name = who.name;
        this.node.setAttribute("aria-label", who.title);
        this.#put("h2", who.title);
        this.#put(".avatar", who.title[0]);
        const asked = new URLSearchParams({ user: who.user, ...(who.device && { device: who.device }) });
        this.client = connect({
            url: gateways,
            account: who.name,
            device: who.device,
            socket: this.#network.socket,
            getToken: () => token(`/dev/token?${asked}`),
        });
        this.messages = new Messages(this.node, {
            reply: (message) => this.composer.reply(message),
            edit: (message) => this.composer.edit(message),
            remove: (message) => this.#do(message.delete(), { delete: { target: message.id } }),
            react: (message, emoji, on) => this.#do(message.react(emoji, on), { react: { target: message.id, emoji, on } }),
            retry: (message) => this.#do(message.retry(), { message: { text: message.text } }),
            discard: (message) => this.#do(message.discard()),
        }, () => this.#read());
        this.composer = composer(this.node, {
            send: (text, replyTo) => {
                this.#do(this.conversation.send({ text, replyTo }), { message: { text, reply_to: replyTo } });
                this.messages.end();
            },
            edit: (message, text) => this.#do(message.edit(text), { edit: { target: message.id, text } }),
            typed: () => this.conversation.keystroke(),
            lastOwn: () => this.conversation.messages.get().findLast((message) => message.mine && stands(message)),
        });
        this.conversation = this.#talkTo(who.peer);
        this.#networkSwitches();
        this.#tellStatus();
        this.#tellConversations();
        this.#find(".notice button").onclick = () => (this.#find(".notice").hidden = true);
        this.client.on("gap", ({ from, to }) =>
            this.#notice(`Messages between ${clockTime(from)} and ${clockTime(to)} may be missing. What was sent is sent again.`));
        this.client.on("storage", ({ why }) => this.#notice(`Nothing is kept over a reload: ${reason(why)}`));
    }

    /** What the counter looks at, whatever is on the screen. */
    get counted() {
        return this.client.conversation(this.who.peer);
    }

    /** Whether somebody sits before this device just now: what they see is read. */
    set active(active) {
        this.#active = active;
        this.node.classList.toggle("active", active);
        this.#read();
    }

    close() {
        this.#stop();
        this.client.close();
        this.node.remove();
    }

    /** What becomes of it is seen in the message. @param {unknown} done @param {Record<string, any>} [content] */
    #do(done, content) {
        Promise.resolve(done).catch((error) => this.#notice(`That did not work: ${reason(error)}`));
        if (content) this.#acted({ from: this.who.user, to: this.peer, content });
    }

    /** @param {string} peer */
    #talkTo(peer) {
        this.#stop();
        this.peer = peer;
        const conversation = (this.conversation = this.client.conversation(peer));
        const name = nameOf(peer);
        this.#put(".peer bdi", name);
        this.#put(".empty", `Say hello to ${name}. Then take something away: the network, a server, all of them.`);
        this.composer.text.placeholder = this.composer.text.ariaLabel = `Message to ${name}`;
        this.messages.list.ariaLabel = `Messages with ${name}. Arrow keys go through them.`;
        this.messages.open(conversation);
        const presence = this.client.presence([peer]);
        const tell = () => {
            const typing = Boolean(conversation.typing.get());
            const { state, lastSeen } = presence.get().get(peer) ?? {};
            const away = lastSeen ? `last seen at ${clockTime(lastSeen)}` : "offline";
            this.#find(".is").classList.toggle("typing", typing);
            this.#put(".is", typing ? "is typing…" : state === "online" ? "online" : state === "offline" ? away : "");
        };
        let heard = conversation.messages.get().at(-1)?.key;
        const stops = [
            presence.subscribe(tell),
            conversation.typing.subscribe(tell),
            // Who does not see the page is told of the newest message.
            conversation.messages.subscribe((messages) => {
                const last = messages.at(-1);
                if (!last || last.key === heard) return;
                heard = last.key;
                if (!last.mine && Date.now() - last.time < 60_000) this.#put(".heard", `${nameOf(last.from)} to ${this.who.title}: ${last.text ?? "…"}`);
            }),
        ];
        this.#stop = () => stops.forEach((stop) => stop());
        return conversation;
    }

    #read() {
        const reads = () => this.#active && this.messages.followed && !document.hidden && this.unread;
        if (this.#readTimer || !reads()) return;
        this.#readTimer = setTimeout(() => {
            this.#readTimer = 0;
            if (reads()) this.conversation.markRead();
        }, READ_EVERY);
    }

    #networkSwitches() {
        for (const key of /** @type {("offline" | "slow")[]} */ (["offline", "slow"])) {
            const node = this.#find(`.${key}`);
            node.onclick = () => (node.ariaChecked = this.#network[key] = !this.#network[key]);
        }
    }

    #tellStatus() {
        const link = this.#find(".link");
        const tell = () => {
            const { state, why, retryAt } = this.client.status.get();
            const wait = Math.ceil(((retryAt ?? 0) - Date.now()) / 1000);
            const words = {
                connecting: "Connecting…",
                online: "Online",
                offline: this.#network.offline ? "No network" : wait > 0 ? `Tries again in ${wait} s` : "Tries again…",
                ended: `Ended: ${reason(why)}`,
            }[state];
            link.className = `link ${state}`;
            if (link.textContent !== words) link.textContent = words;
        };
        this.client.status.subscribe(tell);
        setInterval(tell, 1000);
    }

    #tellConversations() {
        const [select, name, unread] = [".peer select", ".peer bdi", ".unread"].map((selector) => this.#find(selector));
        unread.onclick = () => {
            this.messages.end();
            this.composer.text.focus();
        };
        select.onchange = () => this.#talkTo(select.value);
        this.client.conversations.subscribe((conversations) => {
            const others = new Set([this.who.peer, ...conversations.map((item) => item.with)]);
            name.hidden = others.size > 1;
            select.hidden = !name.hidden;
            if (select.options.length !== others.size) {
                select.replaceChildren(...[...others].map((user) => element("option", { value: user }, nameOf(user))));
                select.value = this.peer;
            }
            this.unread = conversations.find((item) => item.with === this.peer)?.unread ?? 0;
            unread.hidden = !this.unread;
            unread.textContent = `${this.unread} unread`;
            this.node.dispatchEvent(new Event("unread"));
            this.#read();
        });
    }

    /** @param {string} words */
    #notice(words) {
        this.#put(".notice p", words);
        this.#find(".notice").hidden = false;
    }

    /** @param {string} selector */
    #find(selector) {
        return find(selector, this.node);
    }

    /** @param {string} selector @param {string} words */
    #put(selector, words) {
        this.#find(selector).textContent = words;
    }
}

/** @param {string} address */
async function token(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address} says ${answer.status}`);
    return answer.text();
}

/** @param {any} why */
const reason = (why) => why?.message ?? why?.goodbye?.message ?? why?.reason ?? why?.code ?? why?.kind ?? `${why}`;
