// A group's conversation: what all its members say, and what becomes of them, as alice sees it.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createConversations } from "../../dunlin/conversation/conversations.js";
import { createFold } from "../../dunlin/conversation/fold.js";
import { takePast } from "../../dunlin/conversation/pages.js";
import { host, turn } from "./host.js";
import { edit, id, past, react, shown, taken, text } from "./said.js";

/** An entry of the group's log. */
const said = (from, number, content) => ({
    log: "#team", seq: number, cursor: `c${number}`, time: number, id: id(number), from, to: "#team", order: number, content,
});
const change = (change, ...users) => ({ membership: { group: "#team", users, change, by: "bob" } });
const made = (change, ...users) => ({
    settings: { group: "#team", change, users, by: "bob", title: "The team", settings: { who_may_add: "admins", who_may_write: "members", history: false } },
});
const receipt = (order, delivered, read, of = 2, time = order) => ({
    by: null, to: "#team", order, delivered, read, of, time, since: null, missing: [],
});
const entry = entry => ({ kind: "entry", entry });

const begun = () => createFold("#team", () => "alice", Object.freeze);
function folded(entries) {
    const fold = begun();
    for (const entry of entries) fold.entry({ entry });
    return fold;
}
const events = messages => messages.map(({ from, event }) => event && `${from} ${event.change} ${event.users}`.trim());

async function opened(given) {
    const client = host(given);
    const model = createConversations(client);
    client.tell = model.tell;
    const team = model.get("#team");
    await turn();
    client.asked.length = 0;
    return { client, model, team };
}

test("what members say becomes messages of theirs, whatever the order", () => {
    const table = [
        ["three of them", [said("alice", 1, text("a")), said("bob", 2, text("b")), said("carol", 3, text("c"))], "alice: a sent, bob: b, carol: c"],
        ["an edit", [said("bob", 1, text("a")), said("bob", 2, edit(1, "b"))], "bob: b*"],
        ["an edit by another one", [said("bob", 1, text("a")), said("carol", 2, edit(1, "b"))], "bob: a"],
        ["a deletion", [said("bob", 1, text("a")), said("bob", 2, taken(1))], "bob: -"],
        ["an admin's deletion", [said("bob", 1, text("a")), said("carol", 2, taken(1))], "bob: -"],
        ["an admin's, of one's own", [said("alice", 1, text("a")), said("carol", 2, taken(1))], "alice: - sent"],
        ["one's own as an admin", [said("bob", 1, text("a")), said("alice", 2, taken(1))], "bob: -"],
        ["one id of two", [said("bob", 1, text("a")), said("carol", 1, text("b")), said("carol", 3, taken(1))], "bob: a, carol: -"],
        ["one id of two, and an admin", [said("bob", 1, text("a")), said("carol", 1, text("b")), said("dave", 3, taken(1))], "bob: -, carol: -"],
        ["reactions", [said("bob", 1, text("a")), said("carol", 2, react(1, "👍")), said("alice", 3, react(1, "👍"))], "bob: a 👍carol+alice"],
        ["one taken back", [said("bob", 1, text("a")), said("carol", 2, react(1, "👍")), said("carol", 3, react(1, "👍", false))], "bob: a"],
        ["another group", [{ ...said("bob", 1, text("a")), log: "#other", to: "#other" }], ""],
        ["a message to oneself", [{ ...said("bob", 1, text("a")), log: "mailbox", to: "alice" }], ""],
    ];
    for (const [name, entries, meant] of table) {
        assert.equal(shown(folded(entries).messages()), meant, name);
        assert.equal(shown(folded(entries.toReversed()).messages()), meant, `${name}, backwards`);
    }
});

test("what becomes of the group stands among its messages", () => {
    const fold = folded([
        said("bob", 1, made("created", "alice", "carol")), said("carol", 2, text("a")), said("bob", 3, change("removed", "carol")),
        said("bob", 4, change("promoted", "alice")), said("bob", 5, made("changed")),
    ]);
    assert.deepEqual(events(fold.messages()), [
        "bob created alice,carol", null, "bob removed carol", "bob promoted alice", "bob changed",
    ]);
    const { text: words, mine, id: its, state, order } = fold.messages()[2];
    assert.deepEqual([words, mine, its, state, order], [null, false, null, null, 3]);
    for (const content of [{ membership: 7 }, { membership: {} }, { membership: { users: "alice", change: "removed" } },
        { membership: { users: [], change: 7 } }, { settings: { users: [], change: "changed", title: 7 } }]) {
        assert.deepEqual(folded([said("bob", 1, content)]).messages(), [], JSON.stringify(content));
    }
    const direct = createFold("bob", () => "alice", Object.freeze);
    direct.entry({ entry: { ...said("bob", 1, change("removed", "alice")), log: "mailbox", to: "alice" } });
    assert.deepEqual(direct.messages(), [], "a person has no members");
});

test("how many have one's own, and whether all have it", () => {
    const fold = folded([said("alice", 1, text("a")), said("alice", 2, text("b")), said("bob", 3, text("c"))]);
    const seen = () => fold.messages().map(({ state, receipts }) => `${state} ${receipts && Object.values(receipts)}`);
    const before = fold.messages();
    const steps = [
        [receipt(1, 1, null), ["sent 1,0,2", "sent null"]],
        [receipt(1, 2, 1), ["delivered 2,1,2", "sent null"]],
        [receipt(2, 2, 2), ["delivered 2,1,2", "read 2,2,2"]],
        [receipt(1, 1, 0, 2, 0), ["delivered 2,1,2", "read 2,2,2"]],
        [receipt(1, 2, 1, 3, 9), ["sent 2,1,3", "read 2,2,2"]],
        [receipt(3, 2, 2), ["sent 2,1,3", "read 2,2,2"]],
    ];
    for (const [told, meant] of steps) {
        fold.receipt({ receipt: told });
        assert.deepEqual(seen(), [...meant, "null null"]);
    }
    assert.equal(fold.messages()[2], before[2]);
    fold.entry({ entry: { ...said("alice", 9, text("d")), time: 60_000 } });
    fold.receipt({ receipt: receipt(9, 2, 2, 2, 5) });
    assert.equal(seen().at(-1), "sent null", "that was of another message, before a loss");
});

test("a page of history is of its members, too", () => {
    const fold = begun();
    takePast(fold, past(said("bob", 1, text("a")), "b", 2, [["carol", "👍", 3], ["alice", "👍", 4]]));
    takePast(fold, past(said("alice", 5, text("c")), "c", null, [["carol", "🎉", 6]]));
    assert.equal(shown(fold.messages()), "bob: b* 👍carol+alice, alice: c 🎉carol sent");
});

test("what is sent is there at once, and is the entry that comes", async () => {
    const { client, model, team } = await opened();
    const message = team.send("a");
    assert.deepEqual([message.state, message.from], ["sending", "alice"]);
    assert.deepEqual(client.done, [["submit", "#team", { message: { text: "a", data: null, attachments: [], reply_to: null } }]]);
    const draft = { key: message.key, to: "#team", content: text("a"), at: 1_001, id: id(4) };
    model.tell({ kind: "draft", draft });
    model.tell(entry(said("alice", 4, text("a"))));
    model.tell({ kind: "draft", draft: { ...draft, accepted: { id: id(4), order: 4, time: 4 } } });
    assert.deepEqual(team.messages.get().map(({ key, state }) => [key, state]), [[message.key, "sent"]]);
    model.tell({ kind: "receipt", receipt: receipt(4, 2, 2) });
    assert.equal(team.messages.get()[0].state, "read");
    const other = model.get("#other");
    model.tell(entry({ ...said("alice", 4, text("a")), log: "#other", to: "#other" }));
    model.tell({ kind: "receipt", receipt: receipt(4, 2, 2, 2, 9) });
    assert.equal(other.messages.get()[0].state, "sent", "that was of #team");
    const failed = team.send("b");
    const error = { code: "not_a_member", message: "no" };
    model.tell({ kind: "draft", draft: { key: failed.key, to: "#team", content: text("b"), at: 1_002, error } });
    assert.deepEqual(team.messages.get().at(-1).error, { ...error, retryable: false });
});

test("what is kept is shown once it is known who this is", async () => {
    const kept = { entries: [said("alice", 1, text("a")), said("bob", 2, text("b"))] };
    const { client, model, team } = await opened({ user: "", kept: [kept, kept] });
    assert.deepEqual(team.messages.get(), [], "whose is whose, nobody knows");
    client.user = "alice";
    model.tell({ kind: "status", status: { state: "online" } });
    await turn();
    assert.equal(shown(team.messages.get()), "alice: a sent, bob: b");
    model.tell({ kind: "status", status: { state: "offline" } });
    await turn();
    assert.equal(client.asked.filter(Array.isArray).length, 1, "read once more, and no more than that");
});

test("what others said is unread, and what became of the group is not", async () => {
    const { client, model, team } = await opened();
    for (const told of [said("bob", 1, made("created", "alice")), said("bob", 2, text("a")), said("carol", 3, text("b")), said("alice", 4, text("c"))]) {
        model.tell(entry(told));
    }
    const rows = () => model.list.get().map(({ with: peer, unread, read }) => `${peer} ${unread}/${read}`).join();
    assert.equal(rows(), "", "that is loaded now");
    await turn();
    assert.equal(rows(), "#team 2/0");
    team.markRead(team.messages.get()[1]);
    assert.equal(rows(), "#team 1/2");
    team.markRead();
    assert.equal(rows(), "#team 0/3");
    assert.deepEqual(client.done, [["read", "#team", 2], ["read", "#team", 3]]);
});

test("whom a message mentions is said and counted, and what a group is called", async () => {
    const mentions = (...mentions) => ({ message: { text: "a", mentions } });
    const last = past(said("bob", 9, mentions("alice")), "b");
    const item = { with: "#team", last: { ...last, content: mentions("alice") }, unread: 5, mentions: 2, read: 3, title: "Team" };
    const client = host({ pages: [{ conversations: { items: [item], next: null } }] });
    const model = createConversations(client);
    model.tell({ kind: "status", status: { state: "online" } });
    model.list.get();
    await turn();
    const rows = () => model.list.get().map(({ unread, mentions, title }) => `${unread} ${mentions} ${title}`).join();
    assert.equal(rows(), "5 2 Team");
    const team = model.get("#team");
    assert.deepEqual(team.messages.get()[0].mentions, ["alice"]);
    model.tell(entry(said("carol", 10, mentions("bob"))));
    model.tell(entry(said("carol", 11, mentions("bob", "alice"))));
    assert.equal(rows(), "7 3 Team");
    model.tell(entry(said("bob", 12, made("changed"))));
    assert.equal(rows(), "7 3 The team");
    const before = model.list.get();
    model.tell(entry(said("bob", 12, made("changed"))));
    assert.equal(model.list.get(), before);
    team.markRead();
    assert.equal(rows(), "0 0 The team");
    client.done.length = 0;
    team.send({ text: "b", mentions: ["bob"] });
    assert.deepEqual(client.done, [["submit", "#team", { message: { text: "b", data: null, attachments: [], reply_to: null, mentions: ["bob"] } }]]);
    model.tell(entry(said("bob", 13, { message: { text: "c", mentions: 7 } })));
    assert.equal(team.messages.get().length, 4, "that is not as it is known");
});

test("a number in the list goes where what it counts is read", async () => {
    const last = past(said("bob", 9, text("b")), "b");
    const client = host({ pages: [{ conversations: { items: [{ with: "#team", last, unread: 200, read: 3 }], next: null } }] });
    const model = createConversations(client);
    model.tell({ kind: "status", status: { state: "online" } });
    model.list.get();
    await turn();
    assert.equal(model.list.get()[0].unread, 200);
    client.asked.length = 0;
    model.tell({ kind: "marked", with: "#team", read: 9 });
    assert.deepEqual([model.list.get()[0].unread, client.asked], [0, []]);
});

test("what somebody says who is blocked is folded, and is not unread", async () => {
    const blocks = (...users) => ({ blocks: { users } });
    const client = host({ pages: [blocks("bob"), { conversations: { items: [{ with: "#quiet", last: null, unread: 0, title: "Quiet" }], next: null } }, blocks()] });
    const model = createConversations(client);
    const team = model.get("#team");
    for (const told of [said("bob", 1, text("a")), said("carol", 2, text("b"))]) model.tell(entry(told));
    const rows = () => model.list.get().map(({ with: peer, unread }) => `${peer} ${unread}`).join();
    const folded = () => team.messages.get().map(({ folded }) => folded).join();
    model.list.get();
    await turn();
    assert.deepEqual([rows(), folded()], ["#team 2", "false,false"]);
    const online = { kind: "status", status: { state: "online" } };
    model.tell(online);
    await turn();
    assert.deepEqual([rows(), folded()], ["#team 1,#quiet 0", "true,false"], "a group is listed without messages, too");
    model.tell(entry(said("bob", 3, text("c"))));
    assert.deepEqual([rows(), folded()], ["#team 1,#quiet 0", "true,false,true"]);
    await model.askBlocks();
    assert.deepEqual([rows(), folded()], ["#team 3,#quiet 0", "false,false,false"]);
    assert.equal(client.asked.filter(what => what.blocks).length, 2);

    const direct = host({ pages: [blocks()] });
    const other = createConversations(direct);
    other.tell(online);
    other.get("bob");
    await turn();
    assert.deepEqual(direct.asked.filter(what => what.blocks), [], "without a group nobody asks");
    other.get("#team");
    other.get("#more");
    await turn();
    assert.equal(direct.asked.filter(what => what.blocks).length, 1);
});

test("who is removed, leaves, or was in what is deleted, can say nothing more there", async () => {
    for (const [entries, meant] of [
        [[], false],
        [[said("bob", 1, made("created", "alice"))], false],
        [[said("bob", 1, change("added", "alice")), said("bob", 2, change("removed", "carol"))], false],
        [[said("bob", 1, change("added", "alice")), said("bob", 2, change("removed", "alice", "carol"))], true],
        [[said("alice", 2, change("left", "alice")), said("carol", 3, change("left", "carol"))], true],
        [[said("bob", 2, change("removed", "alice")), said("bob", 3, change("added", "alice"))], false],
        [[said("bob", 2, change("admin", "alice")), said("bob", 3, made("deleted"))], true],
    ]) {
        const { model, team } = await opened();
        const told = [];
        team.closed.subscribe(closed => told.push(closed));
        for (const one of entries) model.tell(entry(one));
        await turn();
        assert.deepEqual([team.closed.get(), told.at(-1)], [meant, meant], JSON.stringify(entries));
    }
});

test("several type, each for as long as they do", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
        const client = host();
        const model = createConversations(client);
        const [team, bob] = [model.get("#team"), model.get("bob")];
        const types = (from, signal = "typing") => model.tell({ kind: "signal", from, group: "#team", signal });
        const seen = () => [team.typing.get(), ...team.typists.get()].join();
        types("bob");
        mock.timers.tick(6_000);
        types("carol");
        assert.equal(seen(), "true,bob,carol");
        assert.equal(bob.typing.get(), false, "not to her");
        mock.timers.tick(6_000);
        assert.equal(seen(), "true,carol");
        types("bob");
        types("carol", "typing_stopped");
        assert.equal(seen(), "true,bob");
        model.tell(entry(said("carol", 1, text("a"))));
        assert.equal(seen(), "true,bob");
        model.tell(entry(said("bob", 2, text("b"))));
        assert.equal(seen(), "false");
        for (const who of ["bob", "carol", "dave"]) types(who);
        model.tell(entry(said("bob", 3, change("removed", "carol"))));
        assert.equal(seen(), "true,bob,dave", "whoever goes types no more");
        model.tell(entry(said("bob", 4, change("removed", "alice"))));
        assert.equal(seen(), "false", "and whoever is gone hears nobody");
        types("bob");
        model.tell({ kind: "disconnected", why: { kind: "socket" }, retryIn: 0 });
        assert.equal(seen(), "false");
    } finally {
        mock.timers.reset();
    }
});
