// What can be read at any moment, and is told once for each turn in which it changed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Source } from "../dunlin/readable.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("it is worked out once for each change, and told once for several", async () => {
    let value = 0;
    let asked = 0;
    const source = new Source(() => (asked++, value));
    assert.deepEqual([source.get(), source.get(), asked], [0, 0, 1]);
    const told = [];
    const stop = source.subscribe((value) => told.push(value));
    for (value of [1, 2, 3]) source.changed();
    assert.equal(source.get(), 3, "it is read at once");
    await turn();
    assert.deepEqual(told, [0, 3]);
    source.changed();
    await turn();
    assert.deepEqual(told, [0, 3], "nothing differs");
    value = 4;
    source.changed();
    stop();
    await turn();
    assert.deepEqual(told, [0, 3], "it does not listen any more");
    assert.equal(source.get(), 4);
});

test("it is watched for as long as somebody listens", () => {
    const seen = [];
    const source = new Source(() => 0, () => {
        seen.push("begin");
        return () => seen.push("end");
    });
    source.get();
    const stops = [source.subscribe(() => {}), source.subscribe(() => {})];
    stops[0]();
    stops[0]();
    assert.deepEqual(seen, ["begin"]);
    stops[1]();
    assert.deepEqual(seen, ["begin", "end"]);
    source.subscribe(() => {});
    assert.deepEqual(seen, ["begin", "end", "begin"]);
});

test("who is stopped while a change is told does not hear of it", async () => {
    let value = 0;
    const source = new Source(() => value);
    const told = [];
    const stops = [
        source.subscribe(() => value && stops.forEach((stop) => stop())),
        source.subscribe((value) => told.push(value)),
    ];
    source.subscribe((value) => told.push(`last: ${value}`));
    value = 1;
    source.changed();
    await turn();
    assert.deepEqual(told, [0, "last: 0", "last: 1"]);
});
