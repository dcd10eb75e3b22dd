/** All conversations of one client: each is told what is about it, and those with messages make the list. */

/** @import { Host, Told } from "../host.js" */
/** @import { Summary } from "./message.js" */

import { seenFrom } from "../core/address.js";
import { Source } from "../readable.js";
import { Conversation } from "./conversation.js";

/** Conversations that are kept, beside those that somebody looks at; and what the list asks for, in pages. */
const KEPT = 1_000;
const PAGES = 20;
const PAGE = 50;

export class Conversations {
    #host;
    /** @type {Map<string, Conversation>} */
    #all = new Map();
    #isWanted = false;
    /** @type {readonly Summary[]} */
    #rows = [];
    /** Those with messages, the one with the latest first. */
    list = new Source(() => this.#list());

    /** @param {Host} host */
    constructor(host) {
        this.#host = host;
    }

    /** @param {string} address */
    get(address) {
        const conversation = this.#of(seenFrom(address, this.#host.region ?? null));
        conversation.open();
        return conversation;
    }

    /** Takes everything that happens, in its order. @param {Told} told */
    tell(told) {
        const peer = this.#peerOf(told);
        if (peer) return this.#of(peer).tell(told);
        for (const conversation of this.#all.values()) conversation.tell(told);
        if (told.kind === "status" && told.status.state === "online" && this.#isWanted) void this.#ask();
    }

    /**
     * Whom something is about; `undefined` of what is about all, or may be about any.
     *
     * @param {Told} told
     */
    #peerOf(told) {
        switch (told.kind) {
            case "entry": {
                const { from, to, content } = told.entry;
                const { failed } = /** @type {any} */ (content);
                return failed ? failed.to : from === this.#host.user ? to : from;
            }
            case "draft":
                return told.draft.to;
            case "settled":
            case "gone":
                return told.to;
            case "receipt":
                return told.receipt.by;
            case "marked":
                return told.with;
            case "signal":
                return told.from;
        }
    }

    /** @param {string} peer */
    #of(peer) {
        let conversation = this.#all.get(peer);
        if (!conversation) {
            const idle = this.#all.size >= KEPT && [...this.#all.values()].find(({ isOpen }) => !isOpen);
            if (idle) this.#all.delete(idle.with);
            conversation = new Conversation(this.#host, peer, () => this.list.changed());
            this.#all.set(peer, conversation);
        }
        return conversation;
    }

    #list() {
        if (!this.#isWanted) {
            this.#isWanted = true;
            void this.#ask();
        }
        const rows = [...this.#all.values()].map(conversation => conversation.summary()).filter(({ last }) => last);
        rows.sort((one, other) => (other.last?.time ?? 0) - (one.last?.time ?? 0));
        const isSame = rows.length === this.#rows.length && rows.every((row, at) => row === this.#rows[at]);
        return isSame ? this.#rows : (this.#rows = Object.freeze(rows));
    }

    /** Without an answer it is asked again over the next connection. */
    async #ask() {
        let after;
        try {
            for (let page = 0; page < PAGES && after !== null; page++) {
                const { conversations } = await this.#host.ask({ conversations: { after, limit: PAGE } });
                for (const item of conversations.items) this.#of(item.with).listed(item);
                after = conversations.next ?? null;
            }
        } catch {
            // The list goes on with what is known.
        }
    }
}
