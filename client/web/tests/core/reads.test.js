// What the user has read is said until it is stored, and not for ever.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createReads } from "../../dunlin/core/reads.js";

function said(reads, now) {
    const all = [];
    reads.pump(now, (address, upto) => all.push([address, upto]));
    return all;
}

test("it is said again, each time later, and in the end let go", () => {
    const reads = createReads();
    reads.read("alice", 5);
    let now = 0;
    for (const pause of [2_000, 4_000, 8_000, 16_000, 32_000, ...Array(27).fill(64_000)]) {
        assert.deepEqual(said(reads, now), [["alice", 5]]);
        assert.equal(reads.nextDeadline(), now + pause);
        assert.deepEqual(said(reads, now + pause - 1), []);
        now += pause;
    }
    assert.deepEqual(said(reads, now), [], "it was said 32 times");
    assert.equal(reads.nextDeadline(), Infinity);
});

test("what lies beyond the last order is stored as that: the second same answer says so", () => {
    const reads = createReads();
    reads.marked("alice", 7);
    reads.read("alice", 900);
    said(reads, 0);
    reads.marked("alice", 7);
    reads.marked("alice", 7);
    assert.deepEqual(said(reads, 2_000), [["alice", 900]], "both may be of before it was said");
    reads.marked("alice", 8);
    assert.deepEqual(said(reads, 6_000), [["alice", 900]]);
    reads.marked("alice", 8);
    assert.equal(reads.nextDeadline(), Infinity);
});

test("of more than 1,024 conversations the oldest are let go", () => {
    const reads = createReads();
    for (let number = 0; number < 1_030; number += 1) reads.read(`u${number}`, 1);
    const all = said(reads, 0);
    assert.equal(all.length, 1_024);
    assert.deepEqual(all[0], ["u6", 1]);
});
