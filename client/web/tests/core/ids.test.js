// Ids that rise, whatever the clock does.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createIds } from "../../dunlin/core/ids.js";
import { randomOf, timeOf } from "./script.js";

const isId = text => /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text);
const highest = () => 1 - 2 ** -53;

test("ids rise whatever the clock does", () => {
    const ids = createIds(randomOf(1));
    const made = [500_000, 500_000, 499_999, 500_007, 500_006, 500_006.5].map(time => ids.next(time));
    assert.deepEqual(made, [...new Set(made)].sort());
    assert(made.every(isId), String(made));
    assert.deepEqual(made.map(timeOf), [500_000, 500_000, 500_000, 500_007, 500_007, 500_007]);
});

test("the last random number of a millisecond is followed by the next millisecond", () => {
    const ids = createIds(highest);
    const last = ids.next(7);
    const next = ids.next(7);
    assert.equal(last, "0000000007ZZZZZZZZZZZZZZZZ");
    assert.equal(next, "00000000080000000000000000");
    assert.equal(ids.next(7), "00000000080000000000000001");
});

test("a clock that was far ahead does not spoil the ids after it", () => {
    const ids = createIds(randomOf(1));
    assert.equal(timeOf(ids.next(9_000_000)), 9_000_000);
    ids.corrected(1_000_000);
    assert.equal(timeOf(ids.next(1_000_010)), 1_000_010);
    // A little is no harm, and ids that go back would be.
    ids.corrected(1_000_010 - 14_999);
    assert.equal(timeOf(ids.next(1_000_000)), 1_000_010);
    ids.corrected(1_000_010 - 15_000);
    assert.equal(timeOf(ids.next(1_000_000)), 1_000_000);
});

test("what was given before the page was loaded anew stays below", () => {
    const ids = createIds(highest);
    ids.given("01J00000000000000000000000");
    ids.given("00000000000000000000000000");
    assert.equal(ids.next(5), "01J00000000000000000000001");
});

test("there is no time that ids can't bear", () => {
    for (const time of [-1, 0, 0.5, 2 ** 47]) {
        const ids = createIds(highest);
        for (let count = 0; count < 3; count += 1) assert(isId(ids.next(time)), `${time}`);
    }
});
