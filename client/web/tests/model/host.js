// A client that a conversation is given: it notes what it is asked for, and has the answers that a test gives it.

// Loaded already: what is loaded at its first use is there within the turn.
import "../../dunlin/conversation/pages.js";

/** `tell` is the model's, which a test sets; `kept` and `pages` are taken one after the other; `asked` has every question, and `done` everything else. */
export function host({ kept = [], pages = [], peers = [], user = "alice" } = {}) {
    const nothing = { entries: [], drafts: [], receipts: [], read: undefined };
    let drafts = 0;
    return {
        user,
        region: "local",
        asked: [],
        done: [],
        submit(to, content) {
            const draft = { key: `k${++drafts}`, to, content, at: 1_000 + drafts };
            this.done.push(["submit", to, content]);
            this.tell?.({ kind: "draft", draft });
            return draft;
        },
        retry(key) { this.done.push(["retry", key]); },
        discard(key) { this.done.push(["discard", key]); },
        read(peer, upto) { this.done.push(["read", peer, upto]); },
        signal(to, kind) { this.done.push(["signal", to, kind]); },
        async ask(what) {
            this.asked.push(what);
            const page = pages.shift();
            if (!page) throw new Error("there is no answer");
            return page;
        },
        async peers() {
            return peers;
        },
        async kept(...asked) {
            this.asked.push(asked);
            return { ...nothing, ...kept.shift() };
        },
    };
}

/** What was asked for has come. */
export const turn = () => new Promise(resolve => setImmediate(resolve));
