// What is left to chance, at its highest.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createCore } from "../../dunlin/core/core.js";
import { randomOf, SETUP } from "./script.js";

const PAUSING = { ...SETUP, gateways: 2, backoffFirst: 200, backoffMost: 1_000 };
const WELCOME = { user: "bob", device: "phone", region: "eu", server_time: 1, limits: {} };

class Bench {
    constructor(random = () => 0.999_999) {
        this.now = { steady: 1_000_000, wall: 1_000_000 };
        this.core = createCore({ ...PAUSING, random }, this.now);
    }

    give(input, later = 0) {
        this.now = { steady: this.now.steady + later, wall: this.now.wall + later };
        return this.core.handle(this.now, input);
    }

    /** Loses the connection; the pause, and to which gateway goes the dial after it. */
    lost(later = 0) {
        const told = this.give({ kind: "lost", why: { kind: "socket" } }, later).find(({ kind }) => kind === "disconnected");
        assert.equal(this.core.nextDeadline, this.now.steady + told.retryIn);
        return told.retryIn;
    }

    dial(later = 0) {
        return this.give({ kind: "tick" }, later).find(({ kind }) => kind === "dial").gateway;
    }

    connect() {
        this.give({ kind: "opened", token: "token" });
        this.give({ kind: "frame", frame: { welcome: WELCOME } });
    }
}

test("pauses grow to their bound in turn over the gateways, and begin again after a connection that lasted", () => {
    const bench = new Bench();
    let pause = 0;
    for (const [number, bound] of [200, 200, 400, 400, 800, 800, 1_000, 1_000, 1_000].entries()) {
        assert.equal(bench.dial(pause), number % 2);
        pause = bench.lost();
        assert.equal(pause, bound, `try ${number}`);
    }
    bench.dial(pause);
    bench.connect();
    pause = bench.lost(999);
    assert.equal(pause, 1_000, "one that lasted 999 ms has not paid for its pause");
    bench.dial(pause);
    bench.connect();
    assert.equal(bench.lost(1_000), 200);
});

test("whoever wakes it makes pauses begin again", () => {
    const bench = new Bench();
    for (let number = 0; number < 9; number += 1) {
        bench.give({ kind: "tick" }, 1_000);
        bench.lost();
    }
    assert.equal(bench.give({ kind: "wake" })[0].kind, "dial");
    assert.equal(bench.lost(), 200);
});

test("however often it is lost, there is a pause", () => {
    const bench = new Bench();
    for (let number = 0; number < 5_000; number += 1) {
        bench.dial(1_000);
        assert(bench.lost() <= 1_000);
    }
});

test("full jitter spreads clients that were lost together", () => {
    const pauses = Array.from({ length: 200 }, (_, seed) => {
        const bench = new Bench(randomOf(seed));
        bench.dial();
        return bench.lost();
    });
    for (const quarter of [0, 1, 2, 3]) {
        const inside = pauses.filter(pause => quarter * 50 <= pause && pause <= quarter * 50 + 50).length;
        assert(inside > 25, `${inside} of 200 in quarter ${quarter}`);
    }
});
