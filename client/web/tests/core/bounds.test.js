// Where things end: what is kept, for how long, and what is not meant.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createCore } from "../../dunlin/core/core.js";
import { SETUP, timeOf } from "./script.js";

const NOW = 1_000_000;
const PAUSING = { ...SETUP, gateways: 2, backoffFirst: 200, backoffMost: 1_000, random: () => 0.999 };
const HI = { message: { text: "hi" } };
const ENTRY = { log: "mailbox", cursor: "c", time: NOW, id: "01J00000000000000000000000", from: "alice", to: "bob", content: HI };

class Bench {
    constructor(setup = {}) {
        this.now = { steady: NOW, wall: NOW };
        this.core = createCore({ ...PAUSING, ...setup }, this.now);
        this.requests = 0;
    }

    static up(setup) {
        const bench = new Bench(setup);
        bench.connect();
        return bench;
    }

    give(input, later = 0, slept = 0) {
        this.now = { steady: this.now.steady + later, wall: this.now.wall + later + slept };
        return this.core.handle(this.now, input);
    }

    frame(frame) {
        return this.give({ kind: "frame", frame });
    }

    /** Dials and is welcomed; everything that is said then. */
    connect(time = NOW) {
        const waits = this.core.nextDeadline - this.now.steady;
        const outputs = this.give({ kind: "tick" }, Math.max(0, waits));
        const welcome = { user: "bob", device: "phone", region: "eu", server_time: time, limits: {} };
        return [...outputs, ...this.give({ kind: "opened", token: "token" }), ...this.frame({ welcome })];
    }

    submit(to) {
        this.requests += 1;
        return sends(this.give({ kind: "submit", request: this.requests, to, content: HI }));
    }

    lose(why = { kind: "socket" }) {
        return this.give({ kind: "lost", why });
    }
}

const sends = outputs => outputs.flatMap(({ frame }) => (frame?.send ? [frame.send.id] : []));
const accepted = (id, order = 1) => ({ accepted: { id, order, time: NOW } });
const gap = { gap: { log: "mailbox", from: 1, to: 2, cursor: "c" } };
const receipt = (to, since) => ({ receipt: { to, delivered: 99, time: NOW + 1, since, missing: [] } });

test("a goodbye ends the client where trying again can't help, also by a code that is not known", () => {
    for (const [code, retryAfter, isOver] of [
        ["draining", null, false],
        ["newer", 800, false],
        ["newer", null, true],
        ["constructor", null, true],
        ["replaced", null, true],
    ]) {
        const bench = Bench.up();
        bench.frame({ goodbye: { code, message: "no", retry_after: retryAfter } });
        assert.equal(bench.core.nextDeadline === null, isOver, code);
    }
});

test("what is no news of the network is mended at once at the same gateway", () => {
    for (const kind of ["slept", "fellBehind"]) {
        const bench = Bench.up();
        assert.equal(bench.lose({ kind })[0].retryIn, 0);
        assert.deepEqual(bench.lose(), [], "what is said of a connection that was let go of is no news");
        assert.equal(bench.connect()[0].gateway, 0);
    }
});

test("a machine that was away for 10 s has slept", () => {
    const slept = span => Bench.up().give({ kind: "tick" }, 0, span).length > 0;
    assert(slept(10_000) && !slept(9_999));
});

test("ids go back with a gateway's clock that goes far back", () => {
    const bench = Bench.up();
    bench.lose();
    bench.connect(NOW + 3_600_000);
    assert.equal(timeOf(bench.submit("carol")[0]), NOW + 3_600_000);
    bench.lose();
    bench.connect(NOW);
    assert.equal(timeOf(bench.submit("dave")[0]), NOW);
});

test("a hello names 512 logs, the mailbox among them", () => {
    const cursors = Object.fromEntries(Array.from({ length: 600 }, (_, number) => [`#team${number}`, "c"]));
    for (const [kept, mailbox] of [[{}, "live"], [{ mailbox: "d" }, "d"]]) {
        const outputs = new Bench({ cursors: { ...cursors, ...kept }, start: "live" }).connect();
        const { hello } = outputs.find(({ frame }) => frame?.hello).frame;
        assert.equal(Object.keys(hello.cursors).length, 512);
        assert.equal(hello.cursors.mailbox, mailbox);
    }
});

test("a repeat of an entry shows as well that no gap came first", () => {
    const bench = Bench.up();
    bench.frame({ entry: { ...ENTRY, seq: 5 } });
    bench.give({ kind: "done", done: { mailbox: { gaps: 0, seq: 5 } } });
    bench.lose();
    bench.connect();
    assert.deepEqual(bench.frame({ entry: { ...ENTRY, seq: 5 } }), [
        { kind: "write", frame: { ack: { log: "mailbox", delivered: 5 } } },
    ]);
});

test("a receipt that tells no life takes nothing out, and only so many people's are kept", () => {
    for (const since of [null, undefined]) {
        const bench = Bench.up();
        bench.frame(accepted(bench.submit("carol")[0]));
        bench.frame(receipt("carol", since));
        assert.equal(sends(bench.frame(gap)).length, 1);
    }
    const bench = Bench.up();
    for (let number = 0; number <= 1_024; number += 1) bench.frame(receipt(`u${number}`, 1));
    for (const [to, isForgotten] of [["u0", false], ["u1", true]]) {
        const outputs = bench.frame(accepted(bench.submit(to)[0]));
        assert.equal(outputs.some(({ kind }) => kind === "forget"), isForgotten, to);
    }
});

test("what is repeated already is not repeated for a second gap", () => {
    const bench = Bench.up();
    const ids = ["carol", "carol"].map(to => {
        const [id] = bench.submit(to);
        bench.frame(accepted(id));
        return id;
    });
    assert.deepEqual(sends(bench.frame(gap)), ids.slice(0, 1));
    bench.frame(gap);
    bench.lose();
    assert.deepEqual(sends(bench.connect()), ids.slice(0, 1));
    assert.deepEqual(sends(bench.frame(accepted(ids[0]))), ids.slice(0, 1), "once more, since it was on its way at the gap");
    assert.deepEqual(sends(bench.frame(accepted(ids[0]))), ids.slice(1));
    assert.deepEqual(sends(bench.frame(accepted(ids[1]))), []);
});

test("pauses after refusals begin again once something was accepted", () => {
    const bench = Bench.up();
    const refused = id => {
        bench.frame({ rejected: { id, code: "unavailable", message: "no" } });
        const pause = bench.core.nextDeadline - bench.now.steady;
        bench.give({ kind: "tick" }, pause);
        return pause;
    };
    const [id] = bench.submit("carol");
    assert.deepEqual([refused(id), refused(id)], [100, 200]);
    bench.submit("carol");
    const [next] = sends(bench.frame(accepted(id)));
    assert.equal(refused(next), 100);
});

test("256 are on their way at once, and again over the next connection", () => {
    const bench = Bench.up();
    const ids = Array.from({ length: 300 }, (_, number) => bench.submit(`u${number}`)).flat();
    assert.equal(ids.length, 256);
    bench.lose();
    assert.deepEqual(sends(bench.connect()), ids);
    assert.equal(sends(bench.frame(accepted(ids[0]))).length, 1);
});

test("an answer that only a newer release knows is told as it is", () => {
    const bench = Bench.up();
    bench.give({ kind: "ask", request: 1, what: { devices: {} }, until: NOW * 2 });
    const answer = { hologram: {} };
    assert.deepEqual(bench.frame({ answer: { ref: 1, what: answer } }), [{ kind: "answered", request: 1, answer }]);
});

test("how those are who are no longer watched is not told any more", () => {
    const bench = Bench.up();
    const watch = (request, user) => {
        bench.give({ kind: "ask", request, what: { watch: { users: [user] } }, until: NOW * 2 });
        bench.frame({ answer: { ref: request, what: { done: {} } } });
    };
    watch(1, "bob");
    bench.give({ kind: "room", room: false });
    bench.frame({ presence: { user: "bob", state: "online" } });
    watch(2, "carol");
    bench.frame({ presence: { user: "carol", state: "online" } });
    const told = bench.give({ kind: "room", room: true }).map(({ user }) => user);
    assert.deepEqual(told, ["carol"]);
});
