// The scripts of `client/scripts`, by which this core and the one in Rust are held to the same.

import assert from "node:assert/strict";
import { test } from "node:test";

import { replay, scripts } from "./script.js";

const all = scripts();

for (const script of all) test(`${script.file}: ${script.name}`, () => replay(script));

test("there are scripts, and one that expects what does not come fails and says where", () => {
    const wrongs = [
        step => (step.outputs = [{ kind: "hangUp" }]),
        step => (step.outputs = [{ kind: "dial", gateway: 1 }]),
        step => (step.outputs = [{ kind: "dial", gateway: 0, more: 7 }]),
        step => (step.outputs = []),
        step => (step.deadline = null),
        step => (step.isOver = true),
        step => (step.unheardOf = true),
    ];
    const script = () => ({ steps: [{ input: { kind: "tick" }, outputs: [{ kind: "dial", gateway: 0 }], deadline: 10_000 }] });
    replay(script());
    for (const change of wrongs) {
        const wrong = script();
        change(wrong.steps[0]);
        assert.throws(() => replay(wrong), /step/, String(change));
    }
    assert(all.length > 0);
});
