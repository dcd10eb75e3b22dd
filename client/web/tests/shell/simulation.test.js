// Never lost, never twice, in order, in all tabs: whatever becomes of tabs, over stores and networks that fail. The code is the real one,
// down to what a browser gives. `DUNLIN_TABS_SEEDS` plays more, `DUNLIN_TABS_SEED` begins at that one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../dunlin.js";
// Loaded already, since a play waits for nothing from outside.
import "../../dunlin/engine.js";
import { altered } from "./altered.js";
import { play } from "./simulation/play.js";

const { DUNLIN_TABS_SEEDS: seeds = 150, DUNLIN_TABS_SEED: first = 1 } = process.env;
/** In how many plays a wrong rule has to show. */
const SHOWS_WITHIN = 130;

/** The first seed from this one on with which something goes wrong, and what. */
async function findWrong(connect, first, seeds, focus) {
    for (let seed = first; seed < first + seeds; seed += 1) {
        const { wrongs, log } = await play(connect, seed, focus);
        if (wrongs.length) return { seed, wrongs, log };
    }
}

test("whatever becomes of tabs", async () => {
    const found = await findWrong(connect, Number(first), Number(seeds));
    const { seed, wrongs, log } = found ?? {};
    assert.ok(!found, `DUNLIN_TABS_SEED=${seed} DUNLIN_TABS_SEEDS=1 replays it\n${log?.join("\n")}\n${wrongs?.join("\n")}`);
});

/** Rules that are wrong: a file, what stands there, what takes its place, what shows it soon, and from which seed on. */
const WRONG = {
    "what is said is not kept first": ["tab.js", 'written.add([["outbox", draft.key, draft]], [', "written.add([], [", ["kill"]],
    "a leader forgets what is unsent when it begins": ["engine.js", 'kept.held("outbox")) items.put(item)', 'kept.held("outbox")) void item', ["reload", "fuse", "drop", "silence"], 115],
    "an id is not kept before the socket has it": ["engine.js", "put({ ...item, id }, changes)", "put({ ...item, id }, [])", ["kill", "drop"]],
    "who leads no more goes on writing": ["store/indexeddb.js", "if (reign === undefined) return write();", "return write();", ["open", "freeze", "kill", "drop"], 240],
    "who leads no more ends the others": ["engine.js", "ended({ why }, changes) {\n            confirm(changes);", "ended({ why }) {", ["open", "freeze"]],
    "a leader that was overtaken leads no more": ["tab.js", "if (tabs) void lead();", "if (tabs) return;", ["open", "freeze"]],
    "nobody looks for what dead tabs have kept": ["engine.js", "void sweep()", "undefined", ["open", "kill", "fuse"]],
    "nobody looks for what dead leaders have not told": ["tab.js", 'if (tabs) tell({ kind: "stale" });', "", ["open", "kill", "fuse", "peer"], 400],
    "drafts that have their outcome stay": ["conversation/conversation.js", "shown.forEach(fold.discarded);", "", ["open", "putAway", "comeBack"]],
    "what a tab says again is not looked for": ["items.js", "gone.has(key) || (", "gone.has(key) && (", ["open", "freeze", "putAway", "comeBack"]],
    "a name is given up where the lock came late": ["tabs.js", ".catch(again)", "", ["alone", "reload", "freeze"]],
};

/** The library with other rules, loaded whole. */
async function ruled(t, ...changes) {
    const load = altered(t, ...changes);
    await load("dunlin/engine.js");
    return load("dunlin.js");
}

test("whatever becomes of tabs whose engine comes late, or not at first", async t => {
    const right = 'later(() => import("./engine.js"))';
    const wrong = '() => later(() => globalThis.comes(() => import("./engine.js")))()';
    const { connect } = await ruled(t, ["tab.js", right, wrong], ["later.js", "PAUSE_MOST = 4_000", "PAUSE_MOST = 500"]);
    const { seed, wrongs, log } = (await findWrong(connect, Number(first), Number(seeds), ["lack", "kill"])) ?? {};
    assert.ok(!seed, `seed ${seed}\n${log?.join("\n")}\n${wrongs?.join("\n")}`);
});

for (const [rule, [file, right, wrong, focus, from = 1]] of Object.entries(WRONG)) {
    test(`a wrong rule is found: ${rule}`, async t => {
        const { connect } = await ruled(t, [file, right, wrong]);
        const found = await findWrong(connect, from, SHOWS_WITHIN, focus);
        assert.ok(found, "nothing went wrong");
        t.diagnostic(`seed ${found.seed}: ${found.wrongs[0].split("\n")[0]}`);
    });
}
