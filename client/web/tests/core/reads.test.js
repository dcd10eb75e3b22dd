// What the user has read is said until it is stored, and not for ever.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createReads } from "../../dunlin/core/reads.js";

function begun() {
    let all = [];
    const reads = createReads(({ frame }) => all.push([frame.read.with, frame.read.upto]));
    const said = now => {
        all = [];
        reads.pump(now);
        return all;
    };
    return { reads, said };
}

test("it is said again, each time later, and in the end let go", () => {
    const { reads, said } = begun();
    reads.read("alice", 5);
    let now = 0;
    for (const pause of [2_000, 4_000, 8_000, 16_000, 32_000, ...Array(27).fill(64_000)]) {
        assert.deepEqual(said(now), [["alice", 5]]);
        assert.deepEqual(reads.deadlines(), [now + pause]);
        assert.deepEqual(said(now + pause - 1), []);
        now += pause;
    }
    assert.deepEqual(said(now), [], "it was said 32 times");
    assert.deepEqual(reads.deadlines(), []);
});

test("what lies beyond the last order is stored as that: the second same answer says so", () => {
    const { reads, said } = begun();
    reads.marked("alice", 7);
    reads.read("alice", 900);
    said(0);
    reads.marked("alice", 7);
    reads.marked("alice", 7);
    assert.deepEqual(said(2_000), [["alice", 900]], "both may be of before it was said");
    reads.marked("alice", 8);
    assert.deepEqual(said(6_000), [["alice", 900]]);
    reads.marked("alice", 8);
    assert.deepEqual(reads.deadlines(), []);
});

test("of more than 1,024 conversations the oldest are let go", () => {
    const { reads, said } = begun();
    for (let number = 0; number < 1_030; number += 1) reads.read(`u${number}`, 1);
    const all = said(0);
    assert.equal(all.length, 1_024);
    assert.deepEqual(all[0], ["u6", 1]);
});
