// Whatever comes in whatever order: the core never throws, sends no more than it may, and leaves nobody waiting.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createCore } from "../../dunlin/core/core.js";
import { randomOf } from "./script.js";

const STEPS = 600;
const ADDRESSES = ["alice", "alice@eu", "bob", "#team", "#team@us", "carol@us", "__proto__", "no address"];
const LOGS = ["mailbox", "#team", "#team@us", "newer/log", "__proto__"];
const CODES = ["rate_limited", "unavailable", "bad_content", "too_old", "token_expired", "replaced", "draining", "newer", "constructor"];
const KINDS = ["done", "devices", "presence", "newer", "toString"];

class Play {
    constructor(seed) {
        this.random = randomOf(seed);
        this.now = { steady: 1_000_000, wall: 1_000_000 };
        this.ids = ["01J00000000000000000000000"];
        this.asks = 0;
        this.refs = 0;
        /** Those who wait. */
        this.waiting = new Set();
        this.accepted = new Set();
        /** Sends on their way: the address of each id. */
        this.flying = new Map();
        this.perAddress = 1 + this.below(4);
        const setup = {
            gateways: 1 + this.below(3),
            device: this.one(["phone", null]),
            cursors: this.one([{}, { mailbox: "c" }, { "#team": "d", newer: "e" }]),
            start: this.one([null, "live", "beginning"]),
            backoffFirst: this.one([0, 200]),
            backoffMost: 30_000,
            connectWithin: 10_000,
            inFlightPerAddress: this.perAddress,
            random: this.random,
        };
        this.core = createCore(setup, this.now);
    }

    below(most) {
        return Math.floor(this.random() * most);
    }

    one(things) {
        return things[this.below(things.length)];
    }

    number() {
        return this.one([0, 1, 2, 3, this.below(50), 1_000_000, this.now.steady, 2 ** 53 - 1, 2 ** 60, 1e308]);
    }

    maybe(thing) {
        return this.one([thing, thing, null, undefined]);
    }

    refusal() {
        return { code: this.one(CODES), message: "because", retry_after: this.maybe(this.one([0, 800, 60_000, 1e308])) };
    }

    anything() {
        return this.one([null, undefined, 7, -1, 0.5, "text", true, [], [1], {}, { a: 1 }, { a: 1, b: 2 }, NaN]);
    }

    frame() {
        const [log, cursor, seq, time] = [this.one(LOGS), `c${this.below(99)}`, this.number(), this.number()];
        const [id, address, order] = [this.one(this.ids), this.one(ADDRESSES), this.maybe(this.number())];
        const span = () => ({ above: this.number(), upto: this.number() });
        const welcome = { user: "bob", device: "phone", region: "eu", server_time: this.one([time, this.now.wall]), limits: {} };
        const frame = this.one([
            { welcome },
            { welcome },
            { gap: { log, from: 1, to: 2, cursor } },
            { entry: { log, seq, cursor, time, id, from: address, to: "bob", order, content: { [this.one(KINDS)]: this.anything() } } },
            { caught_up: { log, seq, cursor } },
            { accepted: { id, order, time } },
            { rejected: { id, ...this.refusal() } },
            { refused: { ref: this.maybe(this.below(this.refs + 3)), ...this.refusal() } },
            { goodbye: this.refusal() },
            { answer: { ref: this.below(this.refs + 3), what: { [this.one(KINDS)]: this.one([{}, this.anything()]) } } },
            { signal: { from: address, kind: "typing" } },
            { presence: { user: address, state: "online", last_seen: this.maybe(time) } },
            {
                receipt: {
                    to: address,
                    delivered: this.maybe(seq),
                    read: this.maybe(seq),
                    time: this.now.wall + this.number(),
                    since: this.maybe(this.number()),
                    missing: this.maybe([span(), span()]),
                },
            },
            { marked: { with: address, read: seq } },
            { [this.one(["newer", "__proto__", "hasOwnProperty"])]: this.anything() },
            this.anything(),
        ]);
        if (this.below(20)) return frame;
        // Something in it is missing, or a newer release says more.
        const [name] = Object.keys(Object(frame));
        const said = Object(frame)[name];
        if (said === null || typeof said !== "object") return frame;
        return { [name]: this.below(2) ? { ...said, newer: this.anything() } : { ...said, [this.one(Object.keys(said))]: null } };
    }

    why() {
        return this.one([
            { kind: "goodbye", goodbye: this.refusal() },
            { kind: "closed", code: this.one([null, 1000, 1006, 1012, 4400, 4401, 4403, 4409, 4429, 4499]), reason: "" },
            { kind: "socket" },
            { kind: "silent" },
            { kind: "slept" },
            { kind: "token", failed: "down" },
            { kind: "badFrame" },
            { kind: "fellBehind" },
        ]);
    }

    input() {
        const [request, to, upto] = [(this.asks += 1), this.one(ADDRESSES), this.number()];
        const wait = input => (this.waiting.add(request), input);
        const id = this.below(4) ? null : `01H${String(request).padStart(23, "0")}`;
        switch (this.below(14)) {
            case 0:
            case 1:
                return wait({ kind: "submit", request, to, content: { message: { text: "hi" } }, id });
            case 2:
                return wait({ kind: "ask", request, what: this.one([{ devices: {} }, { watch: { users: ["a"] } }]), until: this.until() });
            case 3:
                return { kind: "signal", to, signal: "typing" };
            case 4:
                return { kind: "read", with: to, upto };
            case 5:
                return { kind: "opened", token: "t" };
            case 6:
                return this.below(6) ? { kind: "tick" } : { kind: "lost", why: this.why() };
            case 7:
                return { kind: "room", room: this.random() < 0.7 };
            case 8:
                return { kind: "done", done: { [this.one(LOGS)]: { gaps: this.below(3), seq: this.number() } } };
            case 9:
                return { kind: "wake" };
            case 10:
                return { kind: "tick" };
            default:
                return { kind: "frame", frame: this.frame() };
        }
    }

    until() {
        return this.now.steady + this.one([0, 5, 5_000, 1e308]);
    }

    step() {
        const due = this.core.nextDeadline;
        const passed = this.one([0, 0, 1, 100, 6_000]);
        const steady = this.below(4) || due === null || due > 1e15 ? this.now.steady + passed : Math.max(this.now.steady, due);
        const slept = this.one([...Array(30).fill(0), 60_000, -60_000]);
        this.now = { steady, wall: this.now.wall + steady - this.now.steady + slept };
        this.give(this.input());
    }

    give(input) {
        const { accepted, rejected } = Object(input.frame);
        this.flying.delete(Object(accepted ?? rejected).id);
        for (const output of this.core.handle(this.now, input)) {
            const { kind, request, id } = output;
            if (kind === "named") this.ids = [...this.ids.slice(-20), id];
            if (kind === "write" && output.frame.ask) this.refs = output.frame.ask.ref;
            if (kind === "settle" || (kind === "answered" && request !== null)) {
                assert(this.waiting.delete(request), `${request} has its outcome once`);
                assert.equal(Number("accepted" in output || "answer" in output) + Number("error" in output), 1);
            }
            if (output.kind === "disconnected") this.flying.clear();
            if (kind === "write" && output.frame.send) this.sent(output.frame.send);
            if (output.accepted) this.accepted.add(output.accepted.id);
            if (kind === "forget") assert(this.accepted.has(id), `${id} was accepted`);
        }
    }

    sent({ id, to }) {
        assert(!this.flying.has(id), `${id} is on its way once`);
        this.flying.set(id, to);
        const others = [...this.flying.values()].filter(address => address === to);
        assert(others.length <= this.perAddress && this.flying.size <= 256);
        assert(this.flying.size <= this.waiting.size + this.accepted.size, "nothing is sent but what waits, or was accepted");
    }
}

for (let seed = 1; seed <= 100; seed += 1) {
    test(`seed ${seed}`, () => {
        const play = new Play(seed);
        for (let step = 0; step < STEPS && play.core.nextDeadline !== null; step += 1) play.step();
        play.give({ kind: "close" });
        assert.equal(play.waiting.size, 0, "nobody waits at the end");
        assert.equal(play.core.nextDeadline, null);
        for (let step = 0; step < 20; step += 1) {
            const input = play.input();
            if (input.kind !== "submit" && input.kind !== "ask") play.give(input);
        }
    });
}
