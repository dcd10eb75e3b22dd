// The list of conversations: what pages of `conversations` say of it, kept up by what happens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createConversations } from "../../dunlin/conversation/conversations.js";
import { host, turn } from "./host.js";
import { id, mine, past, receipt, said, taken, text, theirs } from "./said.js";

const entry = entry => ({ kind: "entry", entry });
const online = { kind: "status", status: { state: "online" } };
const offline = { kind: "status", status: { state: "offline" } };
const item = (peer, last, unread, read = null) => ({ with: peer, last: last && past(last, last.content.message.text), unread, read });
const page = (items, next = null) => ({ conversations: { items, next } });
const marked = (peer, read) => ({ kind: "marked", with: peer, read });

const rows = model => model.list.get().map(({ with: peer, last, unread, read }) => `${peer} ${last.text} ${unread}/${read}`).join(", ");

async function listed(...pages) {
    const client = host({ pages });
    const model = createConversations(client);
    model.tell(online);
    client.tell = model.tell;
    model.list.get();
    await turn();
    client.asked.length = 0;
    return { client, model };
}

test("it is asked for when somebody looks, page after page, and over each connection", async () => {
    const client = host({ pages: [
        page([item("bob", theirs(9, text("b")), 2, 3)], "x"), page([item("carol", said("carol", "alice", 5, text("c")), 0, 5)]),
        page([item("dave", said("dave", "alice", 12, text("d")), 1)]),
    ] });
    const model = createConversations(client);
    model.tell(online);
    assert.deepEqual(client.asked, []);
    const told = [];
    model.list.subscribe(() => told.push(rows(model)));
    await turn();
    assert.deepEqual(told.at(-1), "bob b 2/3, carol c 0/5");
    assert.deepEqual(client.asked, [{ conversations: { after: undefined, limit: 50 } }, { conversations: { after: "x", limit: 50 } }]);
    model.tell(online);
    await turn();
    assert.equal(client.asked.length, 2, "it was online already");
    for (const status of [offline, online]) model.tell(status);
    await turn();
    assert.deepEqual(told.at(-1), "dave d 1/0, bob b 2/3, carol c 0/5");
    for (const status of [offline, online]) model.tell(status);
    await turn();
    assert.equal(client.asked.length, 4);
    assert.equal(rows(model), told.at(-1), "there was no answer");
});

test("without a connection it has what is kept", async () => {
    const client = host({ peers: ["bob", "carol"], kept: [
        { entries: [theirs(9, text("b")), theirs(10, text("c"))], read: 9 },
        { entries: [said("carol", "alice", 5, text("d"))] },
    ] });
    const model = createConversations(client);
    model.list.get();
    await turn();
    assert.deepEqual(client.asked, [["bob", 50], ["carol", 50]]);
    assert.equal(rows(model), "bob c 1/9, carol d 1/0");
});

test("what comes is counted once, and what is of no message is not", async () => {
    const { model } = await listed(page([item("bob", theirs(9, text("b")), 2, 3)]));
    const steps = [
        [entry(theirs(10, text("c"))), "bob c 3/3"],
        [entry(theirs(10, text("c"))), "bob c 3/3"],
        [entry(theirs(8, text("it is among the two"))), "bob c 3/3"],
        [entry(theirs(11, { react: { target: id(9), emoji: "👍", on: true } })), "bob c 3/3"],
        [entry(mine(12, text("d"))), "bob d 3/3"],
        [entry(said("carol", "alice", 13, text("e"))), "carol e 1/0, bob d 3/3"],
        [entry(said("alice", "carol", 14, text("f"))), "carol f 1/0, bob d 3/3"],
        [entry(said("alice", "alice", 15, text("note"))), "alice note 0/0, carol f 1/0, bob d 3/3"],
        [{ kind: "receipt", receipt: receipt(1, 1) }, "alice note 0/0, carol f 1/0, bob d 3/3"],
        [marked("carol", 13), "alice note 0/0, carol f 0/13, bob d 3/3"],
    ];
    for (const [told, meant] of steps) {
        model.tell(told);
        assert.equal(rows(model), meant);
    }
});

test("a list that has not changed is the same object, and so is a row", async () => {
    const { model } = await listed(page([item("bob", theirs(9, text("b")), 2, 3), item("carol", said("carol", "alice", 5, text("c")), 0)]));
    const before = model.list.get();
    for (const told of [entry(theirs(9, text("b"))), marked("bob", 3), { kind: "receipt", receipt: receipt(1, 1) }]) model.tell(told);
    assert.equal(model.list.get(), before);
    model.tell(entry(theirs(10, text("d"))));
    assert.deepEqual(model.list.get().map((row, at) => row === before[at]), [false, true]);
});

test("a mark up to the last message leaves nothing unread", async () => {
    const { client, model } = await listed(page([item("bob", theirs(9, text("b")), 200, 3)]));
    model.tell(entry(theirs(10, text("c"))));
    model.tell(marked("bob", 9));
    assert.equal(rows(model), "bob c 1/9");
    model.tell(marked("bob", 10));
    assert.equal(rows(model), "bob c 0/10");
    assert.deepEqual(client.asked, []);
});

test("where a number in the list does not hold any more, the messages are looked at", async () => {
    const messages = [past(theirs(9, text("b")), "b"), past(theirs(7, text("a")), "a")];
    for (const [told, meant] of [[marked("bob", 8), "bob b 1/8"], [entry(theirs(10, taken(7))), "bob b 1/3"]]) {
        const { client, model } = await listed(
            page([item("bob", theirs(9, text("b")), 2, 3)]), { history: { entries: messages, next: 7 } },
        );
        model.tell(told);
        await turn();
        assert.equal(rows(model), meant);
        assert.deepEqual(client.asked, [{ history: { with: "bob", before: undefined, limit: 100 } }]);
    }
});

test("what was read here and is not stored yet stays read", async () => {
    const client = host({ pages: [page([item("bob", theirs(9, text("b")), 2, 3)]), page([item("bob", theirs(9, text("b")), 2, 3)])] });
    const model = createConversations(client);
    model.list.get();
    model.tell(online);
    await turn();
    model.get("bob").markRead();
    assert.equal(rows(model), "bob b 0/9");
    for (const status of [offline, online]) model.tell(status);
    await turn();
    assert.equal(rows(model), "bob b 0/9");
});

test("what one sends is the latest, and what went while it was looked for is none", async () => {
    const { model } = await listed(page([item("bob", theirs(9, text("b")), 0, 9), item("carol", null, 0)]));
    model.get("carol").send("a");
    assert.equal(rows(model), "carol a 0/0, bob b 0/9");
});

test("what could not be delivered is told to whom it is about", async () => {
    const { model } = await listed();
    model.tell(entry(mine(1, text("a"))));
    const failed = { id: id(1), to: "bob", code: "region_unreachable", message: "far" };
    model.tell(entry(said("alice", "alice", 2, { failed })));
    assert.deepEqual(model.list.get().map(({ with: peer, last }) => [peer, last.state]), [["bob", "failed"]]);
});

test("of many conversations those are kept that somebody looks at", async () => {
    const { model } = await listed();
    model.tell(entry(said("u0", "alice", 1, text("a"))));
    model.get("bob");
    model.tell(entry(theirs(2_000, text("b"))));
    for (let number = 1; number <= 1_100; number++) model.tell(entry(said(`v${number}`, "alice", number, text("a"))));
    const peers = model.list.get().map(({ with: peer }) => peer);
    assert.deepEqual([peers.length, peers[0], peers.at(-1)], [1_000, "bob", "v102"]);
});

test("before it is known who this is, what is opened takes what is its own", async () => {
    const client = { ...host(), user: undefined };
    const model = createConversations(client);
    const [bob, carol] = [model.get("bob"), model.get("carol")];
    for (const told of [entry(mine(1, text("a"))), entry(theirs(2, text("b")))]) model.tell(told);
    assert.deepEqual([bob.messages.get().length, carol.messages.get().length], [2, 0]);
});
