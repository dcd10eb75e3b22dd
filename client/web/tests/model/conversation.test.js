// A conversation as applications have it, over a client that notes what it is asked for.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createConversations } from "../../dunlin/conversation/conversations.js";
import { host, turn } from "./host.js";
import { id, mine, past, receipt, shown, taken, text, theirs } from "./said.js";

const entry = entry => ({ kind: "entry", entry });
const draft = (key, content, more) => ({ kind: "draft", draft: { key, to: "bob", content, at: 1_001, ...more } });
const accepted = (key, content, number) =>
    draft(key, content, { id: id(number), accepted: { id: id(number), order: number, time: number } });
const page = (entries, next = null) => ({ history: { entries, next } });

async function opened(given) {
    const client = host(given);
    const model = createConversations(client);
    client.tell = model.tell;
    const bob = model.get("bob");
    await turn();
    client.asked.length = 0;
    return { client, model, bob };
}

test("a message is there at once and becomes what its answer says", async () => {
    const { client, model, bob } = await opened();
    const told = [];
    bob.messages.subscribe(messages => told.push(shown(messages)));
    const message = bob.send("hi");
    assert.deepEqual([message.text, message.state, message.from, message.id], ["hi", "sending", "alice", null]);
    const content = { message: { text: "hi", data: null, attachments: [], reply_to: null } };
    assert.deepEqual(client.done, [["submit", "bob", content]]);
    // It is told again where another tab comes to lead.
    model.tell(draft("k1", content));
    assert.equal(bob.messages.get()[0], message);
    await turn();
    model.tell(draft("k1", content, { id: id(5) }));
    model.tell(accepted("k1", content, 5));
    await turn();
    model.tell({ kind: "receipt", receipt: receipt(5, null, 0, 9) });
    await turn();
    model.tell({ kind: "receipt", receipt: { ...receipt(5, 5, 0, 9), by: "carol" } });
    await turn();
    assert.deepEqual(told, ["", "alice: hi sending", "alice: hi sent", "alice: hi delivered"]);
    assert.deepEqual(bob.messages.get().map(({ key, id }) => [key, id]), [["k1", id(5)]]);
});

test("words, bytes and what is answered are sent as the protocol has them", async () => {
    const { client, model, bob } = await opened();
    model.tell(entry(theirs(1, text("a"))));
    const [first] = bob.messages.get();
    const [bytes, long] = [new Uint8Array([0, 255]), new Uint8Array(30_000).fill(255)];
    for (const draft of [{ data: bytes }, { text: "b", replyTo: first }, { text: "c", replyTo: id(9) }, { data: long }]) {
        const { data, replyTo } = bob.send(draft);
        assert.deepEqual(data, draft.data ?? null);
        assert.equal(replyTo, draft.replyTo?.id ?? draft.replyTo ?? null);
    }
    const sent = client.done.slice(0, 3).map(([, , { message }]) => message);
    assert.deepEqual(sent, [
        { text: null, data: "AP8=", attachments: [], reply_to: null },
        { text: "b", data: null, attachments: [], reply_to: id(1) },
        { text: "c", data: null, attachments: [], reply_to: id(9) },
    ]);
});

test("text and data are 1 to 32,768 bytes together", async () => {
    const { client, bob } = await opened();
    const bytes = size => new Uint8Array(size);
    for (const draft of ["", {}, { data: bytes(0) }, "é".repeat(16_385), { text: "a", data: bytes(32_768) }]) {
        assert.throws(() => bob.send(draft), { name: "TypeError", message: "text and data are 1 to 32768 bytes" });
    }
    for (const draft of ["a", "é".repeat(16_384), { text: "é", data: bytes(32_766) }, { attachments: [{ media: "m" }] }]) bob.send(draft);
    assert.equal(client.done.length, 4);
});

test("what answers a message names its id, which whoever holds it may not know yet", async () => {
    const { client, model, bob } = await opened();
    const first = bob.send("a");
    assert.throws(() => bob.send({ text: "b", replyTo: first }), /never sent/);
    model.tell(draft(first.key, text("a"), { id: id(1) }));
    assert.equal(bob.send({ text: "b", replyTo: first }).replyTo, id(1));
    assert.deepEqual(client.done.map(([, , { message }]) => message.reply_to), [null, id(1)]);
});

test("what is done to a message resolves once it is accepted, and rejects where it is refused", async () => {
    const { client, model, bob } = await opened();
    model.tell(entry(mine(1, text("a"))));
    const [message] = bob.messages.get();
    const bytes = new Uint8Array([1]);
    const deeds = [message.edit("b"), message.edit({ data: bytes }), message.react("👍"), message.react("👍", false), message.delete()];
    const contents = client.done.map(([, , content]) => content);
    const target = id(1);
    assert.deepEqual(contents, [
        { edit: { target, text: "b", data: null } }, { edit: { target, text: null, data: "AQ==" } },
        { react: { target, emoji: "👍", on: true } }, { react: { target, emoji: "👍", on: false } }, { delete: { target } },
    ]);
    assert.equal(shown(bob.messages.get()), "alice: a sent", "it counts once it is stored");
    const error = { code: "not_yours", message: "it is not yours" };
    model.tell(draft("k5", contents[4], { error }));
    await assert.rejects(deeds[4], error);
    model.tell(draft("k4", contents[3], { error }));
    model.tell(accepted("k1", contents[0], 2));
    await deeds[0];
    model.tell(accepted("k3", contents[2], 3));
    await deeds[2];
    assert.equal(shown(bob.messages.get()), "alice: b* 👍alice sent");
});

test("what was never sent can't be changed, and what failed is retried or discarded", async () => {
    const { client, model, bob } = await opened();
    const message = bob.send("a");
    assert.throws(() => message.edit("b"), /never sent/);
    const error = { code: "refused", message: "no" };
    model.tell(draft(message.key, text("a"), { error }));
    const [failed] = bob.messages.get();
    assert.deepEqual([failed.state, failed.error], ["failed", { ...error, retryable: false }]);
    failed.retry();
    model.tell(draft(message.key, text("a")));
    assert.equal(shown(bob.messages.get()), "alice: a sending");
    failed.discard();
    model.tell({ kind: "discarded", key: message.key });
    assert.deepEqual(bob.messages.get(), []);
    assert.deepEqual(client.done.slice(1), [["retry", "k1"], ["discard", "k1"]]);
});

test("what is kept is there when it is opened, with what has happened meanwhile", async () => {
    const client = host({ kept: [{
        entries: [theirs(1, text("a")), mine(2, text("b"))],
        drafts: [
            { key: "old1", to: "bob", content: text("c"), at: 3 },
            { key: "old2", to: "bob", content: text("d"), at: 4 },
            { key: "old3", to: "bob", content: text("e"), at: 5, error: { code: "refused", message: "no" } },
        ],
        receipts: [receipt(2, 2)],
        read: 1,
    }] });
    const model = createConversations(client);
    const bob = model.get("bob");
    assert.equal(model.get("bob@local"), bob);
    // It was read before this, and comes later.
    model.tell(accepted("old1", text("c"), 6));
    await turn();
    assert.deepEqual(client.asked, [["bob", 200]], "read once");
    assert.equal(shown(bob.messages.get()), "bob: a, alice: b read, alice: e failed(refused), alice: c sent, alice: d sending");
    model.list.get();
    await turn();
    assert.equal(model.list.get()[0].unread, 0);
});

test("what another tab has settled long ago is read again", async () => {
    const { model, bob } = await opened({ kept: [
        { drafts: [{ key: "x", to: "bob", content: text("a"), at: 3 }] },
        { entries: [mine(5, text("a"))] },
        { entries: [theirs(6, text("b"))] },
    ] });
    assert.equal(shown(bob.messages.get()), "alice: a sending");
    model.tell({ kind: "stale" });
    await turn();
    assert.equal(shown(bob.messages.get()), "alice: a sent");
    model.tell({ kind: "stale" });
    await turn();
    assert.equal(shown(bob.messages.get()), "alice: a sent, bob: b");
});

test("older messages come from the history, until there are some that were not here", async () => {
    const many = Array.from({ length: 150 }, (_, at) => theirs(151 + at, text(String(151 + at))));
    const pages = [many.slice(50), many.slice(0, 50), [theirs(140, text("h"))], []];
    const pageOf = ([first, ...more], at) => {
        const entries = first ? [first, ...more].map(entry => past(entry, entry.content.message.text)).reverse() : [];
        return page(entries, at < 3 ? first.seq : null);
    };
    const { client, bob } = await opened({ kept: [{ entries: many }], pages: pages.map(pageOf) });
    const first = () => `${bob.messages.get()[0].text} of ${bob.messages.get().length}`;
    assert.equal(first(), "151 of 150");
    const [one, other] = [bob.older(500), bob.older()];
    assert.equal(one, other, "it is under way");
    assert.deepEqual([await one, first()], [true, "h of 151"]);
    assert.deepEqual([await bob.older(), first()], [false, "h of 151"]);
    assert.deepEqual([await bob.older(), first()], [false, "h of 151"], "it is not asked for any more");
    const asked = client.asked.map(({ history }) => [history.with, history.before, history.limit]);
    assert.deepEqual(asked, [["bob", undefined, 100], ["bob", 201, 100], ["bob", 151, 100], ["bob", 140, 50]]);
});

test("older messages that could not be had can be asked for again", async () => {
    const { bob } = await opened();
    await assert.rejects(bob.older());
    await assert.rejects(bob.older());
});

test("more than are kept are kept where older ones were asked for", async () => {
    const many = Array.from({ length: 2_000 }, (_, at) => theirs(1_000 + at, text("x")));
    const { model, bob } = await opened({ pages: [page([past(theirs(999, text("old")), "old")], 999)] });
    many.forEach(one => model.tell(entry(one)));
    await bob.older();
    assert.deepEqual([bob.messages.get().length, bob.messages.get()[0].text], [2_001, "old"]);
});

test("reading is told once, up to what is here", async () => {
    const { client, model, bob } = await opened();
    for (const one of [theirs(1, text("a")), theirs(2, text("b")), mine(3, text("c")), theirs(4, text("d")), theirs(5, taken(4))]) {
        model.tell(entry(one));
    }
    const [first, , own] = bob.messages.get();
    bob.markRead(first);
    bob.markRead(own);
    bob.markRead(first);
    bob.markRead();
    assert.deepEqual(client.done, [["read", "bob", 1], ["read", "bob", 2]]);
    model.tell(entry(theirs(6, text("e"))));
    bob.markRead();
    bob.markRead();
    assert.deepEqual(client.done.slice(2), [["read", "bob", 6]]);
});

test("typing ends by itself, with a message, with its end, and with the connection", async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
        const { model, bob } = await opened();
        const types = kind => model.tell({ kind: "signal", from: "bob", signal: kind });
        const ends = {
            time: () => (mock.timers.tick(9_999), assert.equal(bob.typing.get(), true), mock.timers.tick(1)),
            message: () => model.tell(entry(theirs(1, text("a")))),
            end: () => types("typing_stopped"),
            connection: () => model.tell({ kind: "disconnected" }),
            another: () => model.tell({ kind: "reset" }),
        };
        for (const [what, end] of Object.entries(ends)) {
            types("typing");
            mock.timers.tick(5_000);
            types("typing");
            types("dancing");
            assert.equal(bob.typing.get(), true, what);
            end();
            assert.equal(bob.typing.get(), false, what);
        }
        model.tell({ kind: "signal", from: "carol", signal: "typing" });
        assert.equal(bob.typing.get(), false);
        types("typing");
        model.tell(entry(mine(2, text("b"))));
        assert.equal(bob.typing.get(), true, "what one says oneself");
    } finally {
        mock.timers.reset();
    }
});

test("keystrokes are told every three seconds, and at once after a message", async () => {
    mock.timers.enable({ apis: ["Date"] });
    try {
        const { client, bob } = await opened();
        const told = () => client.done.filter(([what]) => what === "signal").length;
        const typed = [];
        for (const pause of [0, 2_999, 1, 10]) {
            mock.timers.tick(pause);
            bob.keystroke();
            typed.push(told());
        }
        bob.send("a");
        bob.keystroke();
        assert.deepEqual([...typed, told()], [1, 1, 2, 2, 3]);
        assert.deepEqual(client.done[0], ["signal", "bob", "typing"]);
    } finally {
        mock.timers.reset();
    }
});

test("what is kept of one user is not shown to the next", async () => {
    const client = host();
    let read;
    client.kept = () => new Promise(resolve => (read = resolve));
    const model = createConversations(client);
    const bob = model.get("bob");
    model.tell({ kind: "reset" });
    read({ entries: [theirs(1, text("a"))], drafts: [], receipts: [], read: undefined });
    await turn();
    assert.deepEqual(bob.messages.get(), []);
});

test("another user has nothing of what was there", async () => {
    const { client, model, bob } = await opened({ pages: [page([past(theirs(1, text("a")), "a")], 1)] });
    model.tell(entry(theirs(2, text("b"))));
    const asked = bob.older();
    model.tell({ kind: "reset" });
    client.user = "carol";
    await asked;
    assert.deepEqual([bob.messages.get(), model.list.get()], [[], []]);
});
