// A client against a gateway: what it says and keeps, in which order, and what becomes of that when something fails.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect } from "../../dunlin.js";
import { entries as entriesOf } from "../../dunlin/bots.js";
import { MemoryStore } from "../../dunlin/store/memory.js";
import { begin, online, say } from "./begin.js";
import { Gateway, token, until } from "./gateway.js";

/** A store whose transactions take a while, and that tells what a new page would find in it. */
class SlowStore extends MemoryStore {
    async write(changes) {
        await new Promise(resolve => setTimeout(resolve, 2));
        return super.write(changes);
    }

    /** What a page finds that is loaded now. */
    copy() {
        const copy = new SlowStore();
        copy.tables = Object.fromEntries(Object.entries(this.tables).map(([name, table]) => [name, new Map(structuredClone([...table]))]));
        return copy;
    }

    all(table) {
        return [...this.tables[table].values()];
    }
}

const texts = frames => frames.map(({ content }) => content.message.text);

/** Collects the texts of what comes. */
function heard(client) {
    const heard = [];
    client.on("entry", ({ content }) => heard.push(content.message?.text));
    return heard;
}

test("two people talk", async t => {
    const gateway = new Gateway();
    const alice = begin(t, gateway, "alice");
    const bob = begin(t, gateway, "bob");
    const [ofAlice, ofBob] = [heard(alice), heard(bob)];
    assert.equal(alice.status.get().state, "connecting");
    say(alice, "bob", "before there is a connection");
    await online(alice);
    await online(bob);
    for (const text of ["1", "2", "3"]) say(alice, "bob", text);
    say(bob, "alice", "4");
    await until(() => ofBob.length === 4 && ofAlice.length === 1);
    assert.deepEqual([ofBob, ofAlice], [["before there is a connection", "1", "2", "3"], ["4"]]);
    const { user, device, region } = alice.status.get();
    assert.deepEqual([user, region], ["alice", "local"]);
    assert.match(device, /^web-[\w-]+$/);
    const [{ url, protocols }] = gateway.dials;
    assert.deepEqual([url, protocols], ["ws://gateway.test/v1/connect", ["dunlin.v1.json"]]);
});

describe("what can't be", () => {
    const good = { url: "ws://gateway.test", getToken: () => "", socket: () => {} };
    const refused = [
        [{ url: "gateway" }, /URL/],
        [{ url: "ftp://gateway.test" }, /neither http nor ws/],
        [{ url: [] }, /url/],
        [{ getToken: "eyJ" }, /getToken/],
    ];
    for (const [options, words] of refused) {
        test(`${JSON.stringify(options)}`, () => {
            const isSaid = error => error instanceof TypeError && words.test(error.message);
            assert.throws(() => connect({ ...good, ...options }), isSaid);
        });
    }

    test("an address and a text are refused at once", t => {
        const client = begin(t, new Gateway(), "alice");
        assert.throws(() => client.conversation("bob smith"), TypeError);
        assert.throws(() => client.conversation(""), TypeError);
        assert.throws(() => client.presence(["bob", "@"]), TypeError);
        assert.throws(() => say(client, "bob", ""), TypeError);
        assert.throws(() => say(client, "bob", "ü".repeat(16 * 1024) + "!"), TypeError);
        assert.throws(() => say(client, "bob", { text: "a", data: new Uint8Array(32 * 1024) }), TypeError);
        say(client, "bob", "ü".repeat(16 * 1024));
    });
});

test("where gateways are", async t => {
    const gateway = new Gateway();
    gateway.isDown = true;
    const url = ["https://one.test/", "wss://two.test/chat/v1/connect", "http://three.test/chat?x=1", "ws://four.test/v1/connect/"];
    begin(t, gateway, "alice", { url });
    await until(() => gateway.dials.length > 4);
    assert.deepEqual(gateway.dials.slice(0, 5).map(({ url }) => url), [
        "wss://one.test/v1/connect",
        "wss://two.test/chat/v1/connect",
        "ws://three.test/chat/v1/connect?x=1",
        "ws://four.test/v1/connect",
        "wss://one.test/v1/connect",
    ]);
});

describe("stored before it is said", () => {
    test("a message and its id, before the socket has it", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        const alice = begin(t, gateway, "alice", { store });
        await online(alice);
        const seen = [];
        const { take } = gateway;
        gateway.take = (socket, frame) => {
            if (frame.send) seen.push(store.all("outbox").some(({ id, content }) => id === frame.send.id && content.message));
            return take.call(gateway, socket, frame);
        };
        for (let i = 0; i < 20; i += 1) say(alice, "bob", `${i}`);
        await until(() => seen.length === 20);
        assert.deepEqual(new Set(seen), new Set([true]));
    });

    test("an entry and its cursor, before it is acknowledged and shown", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        const bob = begin(t, gateway, "bob", { store });
        await online(bob);
        const wrong = [];
        const cursor = () => Number(store.tables.cursors.get("mailbox")?.slice(1));
        const isStored = seq => cursor() >= seq && store.all("entries").some(entry => entry.seq === seq);
        bob.on("entry", ({ seq }) => isStored(seq) || wrong.push(["shown", seq]));
        const { take } = gateway;
        gateway.take = (socket, frame) => {
            if (frame.ack && !isStored(frame.ack.delivered)) wrong.push(["acknowledged", frame.ack.delivered]);
            return take.call(gateway, socket, frame);
        };
        for (let i = 0; i < 20; i += 1) gateway.store("alice", "bob", ulid(i), { message: { text: `${i}` } });
        await until(() => gateway.came("ack").at(-1)?.delivered === 20);
        assert.deepEqual(wrong, []);
    });

    test("what waits for the store is written before a client is closed", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        const alice = begin(t, gateway, "alice", { store });
        await online(alice);
        for (const to of ["bob", "carol", "dave"]) say(alice, to, "hi");
        await alice.close();
        assert.deepEqual(gateway.came("send").map(({ to }) => to), ["bob", "carol", "dave"]);
        assert.equal(alice.status.get().state, "ended");
        assert.throws(() => say(alice, "bob", "too late"), { code: "ended" });
    });
});

const ulid = number => `01HZZZZZZZ${String(number).padStart(16, "0")}`;

describe("a page that is loaded again", () => {
    test("goes on with what was unsent, under the ids that it had", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        gateway.holds = true;
        const first = begin(t, gateway, "alice", { store });
        await online(first);
        for (let i = 0; i < 5; i += 1) say(first, "bob", `${i}`);
        say(first, "carol", "5");
        await until(() => gateway.came("send").length === 2);
        const copy = store.copy();
        gateway.goodbye("draining");
        gateway.holds = false;
        // What the gateway had of the first page is stored there: only its answer was lost.
        for (const { id, to, content } of gateway.came("send")) {
            gateway.stored.set(`alice/${to}/${id}`, gateway.store("alice", to, id, content));
        }
        await first.close();
        const second = begin(t, gateway, "alice", { store: copy });
        await until(() => gateway.mailbox("bob").length === 5);
        await until(() => copy.all("outbox").every(({ accepted }) => accepted));
        assert.deepEqual(texts(gateway.mailbox("bob")), ["0", "1", "2", "3", "4"]);
        assert.deepEqual(texts(gateway.mailbox("carol")), ["5"]);
        assert.equal(second.status.get().device, first.status.get().device, "it is the same device");
    });

    test("goes on after what it had", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        const first = begin(t, gateway, "bob", { store });
        const ofFirst = heard(first);
        for (const i of [0, 1]) gateway.store("alice", "bob", ulid(i), { message: { text: `${i}` } });
        await until(() => ofFirst.length === 2);
        await first.close();
        gateway.store("alice", "bob", ulid(2), { message: { text: "2" } });
        const second = begin(t, gateway, "bob", { store: store.copy() });
        const ofSecond = heard(second);
        await until(() => ofSecond.length === 1);
        assert.deepEqual(ofSecond, ["2"]);
        assert.equal(gateway.came("hello").at(-1).cursors.mailbox, "c2");
    });

    test("repeats after a gap what has no receipt, and forgets what has one", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        const first = begin(t, gateway, "alice", { store });
        await online(first);
        for (const text of ["delivered", "lost"]) say(first, "bob", text);
        await until(() => store.all("outbox").filter(({ accepted }) => accepted).length === 2);
        gateway.tell("alice", { receipt: { by: "bob", to: "bob", delivered: 1, read: null, time: Date.now(), since: 1, missing: [] } });
        await until(() => store.all("outbox").length === 1);
        await first.close();
        const [, lost] = gateway.came("send");
        const second = begin(t, gateway, "alice", { store: store.copy() });
        const gaps = [];
        second.on("gap", gap => gaps.push(gap));
        await online(second);
        gateway.tell("alice", { gap: { log: "mailbox", from: 1, to: 2, cursor: "c9" } });
        await until(() => gateway.came("send").length === 3);
        assert.deepEqual(gateway.came("send")[2], lost);
        assert.deepEqual(gaps.map(({ log, from, to, repeated }) => [log, from, to, repeated]), [["mailbox", 1, 2, 1]]);
    });

    test("does not keep what was taken back", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        begin(t, gateway, "bob", { store });
        gateway.store("alice", "bob", ulid(0), { message: { text: "secret" } });
        gateway.store("alice", "bob", ulid(1), { delete: { target: ulid(0) } });
        await until(() => store.all("entries").some(({ id }) => id === ulid(1)));
        assert.deepEqual(store.all("entries").map(({ id }) => id), [ulid(1)]);
    });

    test("forgets what mailboxes do not keep any more", async t => {
        const store = new SlowStore();
        const [old, young] = ["01HZZZZZZZ0000000000000000", "7ZZZZZZZZZ0000000000000000"];
        await store.write([old, young].map(id => ["entries", `bob/${id}/bob`, { id }]));
        begin(t, new Gateway(), "alice", { store });
        await until(() => store.all("entries").length === 1);
        assert.deepEqual(store.all("entries"), [{ id: young }]);
    });
});

test("another user gets nothing of what was kept, and what they wrote is theirs", async t => {
    const [gateway, store] = [new Gateway(), new SlowStore()];
    const alice = begin(t, gateway, "alice", { store });
    await online(alice);
    gateway.holds = true;
    say(alice, "bob", "alice's");
    await until(() => store.all("outbox").length === 1);
    await alice.close();
    gateway.frames.length = 0;
    gateway.holds = false;
    const carol = begin(t, gateway, "carol", { store: store.copy() });
    say(carol, "bob", "carol's");
    await until(() => gateway.mailbox("bob").length === 1);
    assert.deepEqual(gateway.came("send").map(({ content }) => content.message.text), ["carol's"]);
    assert.equal(carol.status.get().user, "carol");
    assert.notEqual(carol.status.get().device, alice.status.get().device);
});

describe("a welcome", () => {
    for (const [what, said] of [["that is a second one", { user: "carol", device: "d", region: "local" }], ["of nobody", {}]]) {
        test(`${what} loses nothing`, async t => {
            const [gateway, store] = [new Gateway(), new SlowStore()];
            const alice = begin(t, gateway, "alice", { store });
            const resets = [];
            alice.on("reset", reset => resets.push(reset));
            await online(alice);
            gateway.holds = true;
            say(alice, "bob", "unsent");
            await until(() => gateway.came("send").length === 1);
            gateway.tell("alice", { welcome: { ...said, server_time: gateway.now } });
            await until(() => gateway.came("send").length === 2);
            assert.deepEqual([store.all("outbox").length, alice.status.get().user, resets], [1, "alice", []]);
        });
    }

    test("of one user after the other is told, and slows down", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        let tokens = 0;
        const getToken = () => token(["alice", "carol"][(tokens += 1) % 2]);
        const client = begin(t, gateway, "", { store, getToken, backoff: { first: 20, most: 60_000 } });
        let resets = 0;
        client.on("reset", () => {
            resets += 1;
            assert.deepEqual([store.all("entries"), store.all("outbox")], [[], []]);
        });
        t.mock.method(Math, "random", () => 0.999);
        for (const until = performance.now() + 1_000; performance.now() < until; ) {
            await new Promise(resolve => setTimeout(resolve, 5));
            if (client.status.get().state === "online") gateway.drop();
        }
        assert(resets > 1 && resets < 8, `${resets} times`);
    });
});

describe("what a gateway refuses", () => {
    test("can be tried again under its id, or discarded", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        gateway.rejects = { code: "refused" };
        const alice = begin(t, gateway, "alice", { store });
        for (const text of ["first", "second"]) say(alice, "bob", text);
        const messages = alice.conversation("bob").messages;
        await until(() => messages.get().length === 2 && messages.get().every(({ state }) => state === "failed"));
        assert.equal(messages.get()[0].error.code, "refused");
        gateway.rejects = undefined;
        messages.get()[0].retry();
        messages.get()[1].discard();
        await until(() => gateway.mailbox("bob").length === 1 && store.all("outbox").length === 1);
        const [one, , again] = gateway.came("send");
        assert.deepEqual(again, one);
        await until(() => messages.get().length === 1 && messages.get()[0].state === "sent");
    });

    test("is kept as failed", async t => {
        const [gateway, store] = [new Gateway(), new SlowStore()];
        gateway.rejects = { code: "refused" };
        const first = begin(t, gateway, "alice", { store });
        say(first, "bob", "no");
        await until(() => store.all("outbox")[0]?.error);
        await first.close();
        const second = begin(t, gateway, "alice", { store: store.copy() });
        const messages = second.conversation("bob").messages;
        await until(() => messages.get()[0]?.state === "failed");
        assert.equal(gateway.came("send").length, 1, "it is not sent again by itself");
    });
});

test("questions are answered, refused, late, and asked again over the next connection", async t => {
    const gateway = new Gateway();
    gateway.answers = { devices: () => ({ devices: { items: [] } }), erase: () => ({ refused: { code: "bad_question" } }) };
    const alice = begin(t, gateway, "alice");
    assert.deepEqual(await alice.ask({ devices: {} }), { devices: { items: [] } });
    await assert.rejects(alice.ask({ erase: { confirm: "bob" } }), { name: "DunlinError", code: "bad_question" });
    gateway.mute = true;
    const asked = alice.ask({ devices: {} });
    await until(() => gateway.came("ask").length === 3);
    gateway.mute = false;
    gateway.drop();
    assert.deepEqual(await asked, { devices: { items: [] } });
    gateway.mute = true;
    const late = alice.ask({ blocks: {} });
    await alice.close();
    await assert.rejects(late, { code: "ended" });
});

test("a program acknowledges an entry when it asks for the next one", async t => {
    const [gateway, store] = [new Gateway(), new SlowStore()];
    const bot = begin(t, gateway, "bot", { store });
    const entries = entriesOf(bot);
    for (const i of [0, 1, 2]) gateway.store("alice", "bot", ulid(i), { message: { text: `${i}` } });
    const cursor = () => store.tables.cursors.get("mailbox");
    assert.equal((await entries.next()).value.content.message.text, "0");
    await until(() => store.all("entries").length === 3);
    assert.deepEqual([cursor(), gateway.came("ack")], [undefined, []]);
    assert.equal((await entries.next()).value.content.message.text, "1");
    await until(() => gateway.came("ack").at(-1)?.delivered === 1);
    assert.equal(cursor(), "c1");
    const third = entries.next();
    assert.equal((await third).value.seq, 3);
    const end = entries.next();
    await until(() => gateway.came("ack").at(-1)?.delivered === 3);
    await bot.close();
    assert.equal((await end).done, true);
});

test("who is watched, while somebody looks", async t => {
    const gateway = new Gateway();
    const alice = begin(t, gateway, "alice");
    await online(alice);
    const presence = alice.presence(["bob", "carol@local"]);
    const stop = presence.subscribe(() => {});
    const watched = () => gateway.came("ask").flatMap(({ what }) => (what.watch ? [what.watch.users] : []));
    await until(() => watched().length);
    for (const user of ["bob", "carol"]) gateway.tell("alice", { presence: { user, state: "online", last_seen: null } });
    await until(() => presence.get().size === 2);
    assert.equal(presence.get().get("carol@local").state, "online");
    gateway.isDown = true;
    gateway.drop();
    await until(() => presence.get().size === 0);
    const late = alice.presence(["bob"]);
    late.subscribe(() => {})();
    assert.equal(late.get().size, 0, "nobody can say now");
    gateway.isDown = false;
    await until(() => watched().length === 2);
    stop();
    await until(() => watched().length === 3);
    assert.deepEqual(watched(), [["bob", "carol@local"], ["bob", "carol@local"], []]);
});

test("the list of conversations is asked for, and kept up", async t => {
    const gateway = new Gateway();
    const item = (peer, order, unread) => ({
        with: peer,
        last: {
            ...{ seq: order, time: order, id: ulid(order), from: peer, to: "alice", order },
            ...{ content: { message: { text: "old" } }, edited: null, reactions: [] },
        },
        unread,
        read: null,
    });
    gateway.answers.conversations = ({ after }) =>
        ({ conversations: after == null ? { items: [item("bob", 2, 1)], next: 2 } : { items: [item("carol", 1, 1)], next: null } });
    const alice = begin(t, gateway, "alice");
    const { conversations } = alice;
    t.after(conversations.subscribe(() => {}));
    const shown = () => conversations.get().map(({ with: peer, unread, last }) => [peer, unread, last.text]);
    await until(() => conversations.get().length === 2);
    assert.deepEqual(shown(), [["bob", 1, "old"], ["carol", 1, "old"]]);
    gateway.store("carol", "alice", ulid(50), { message: { text: "new" } });
    await until(() => conversations.get()[0].with === "carol");
    assert.deepEqual(shown(), [["carol", 2, "new"], ["bob", 1, "old"]]);
    gateway.tell("alice", { marked: { with: "carol", read: conversations.get()[0].last.order } });
    await until(() => conversations.get()[0].unread === 0);
    say(alice, "dave", "hi");
    await until(() => conversations.get()[0].with === "dave");
    assert.deepEqual(shown().map(([peer, unread]) => [peer, unread]), [["dave", 0], ["carol", 0], ["bob", 1]]);
});

test("where no socket can be made it is said and tried again", async t => {
    const gateway = new Gateway();
    let tries = 0;
    const socket = (...args) => {
        if ((tries += 1) === 1) throw new DOMException("not from a secure page", "SecurityError");
        return gateway.socket(...args);
    };
    const alice = begin(t, gateway, "alice", { socket });
    const errors = [];
    const whys = new Set();
    alice.on("error", ({ code, message }) => errors.push([code, message]));
    alice.status.subscribe(({ why }) => whys.add(why?.kind));
    await online(alice);
    assert.ok(whys.has("socket"));
    assert.deepEqual(errors, [["connection", "SecurityError: not from a secure page"]]);
});

test("a listener's mistake stops nothing", async t => {
    const gateway = new Gateway();
    const bob = begin(t, gateway, "bob");
    const mistakes = [];
    t.mock.method(console, "error", ({ message }) => mistakes.push(message));
    bob.on("entry", () => {
        throw new Error("a mistake");
    });
    const seen = heard(bob);
    gateway.store("alice", "bob", ulid(1), { message: { text: "1" } });
    await until(() => seen.length === 1);
    assert.deepEqual(mistakes, ["a mistake"]);
});
