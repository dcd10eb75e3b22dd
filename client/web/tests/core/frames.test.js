// What is a frame, and what is none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createCore } from "../../dunlin/core/core.js";
import { randomOf } from "./script.js";

const ID = "01J00000000000000000000000";
const WELCOME = { user: "bob", device: "phone", region: "eu", server_time: 1 };

/** What is read of each frame; what may be left out is `null`. */
const FRAMES = {
    welcome: WELCOME,
    gap: { log: "mailbox", cursor: "c" },
    entry: { log: "mailbox", seq: 1, cursor: "c", time: 1, id: ID, from: "a", to: "b", order: null, content: { message: {} } },
    caught_up: { log: "mailbox", seq: 1, cursor: "c" },
    accepted: { id: ID, order: null, time: 1 },
    rejected: { id: ID, code: "c", message: "m", retry_after: null },
    refused: { ref: null, code: "c", message: "m", retry_after: null },
    answer: { ref: 1, what: { done: {} } },
    signal: { from: "a", kind: "k" },
    presence: { user: "a", state: "online", last_seen: null },
    receipt: { by: null, to: "a", delivered: null, read: null, time: 1, since: null, missing: null },
    marked: { with: "a", read: 1 },
    group_signal: { group: "#g", from: "a", kind: "k" },
};

const now = { steady: 1, wall: 1 };

function opening() {
    const setup = { gateways: 1, device: "phone", cursors: {}, start: null, backoffFirst: 0, backoffMost: 0, connectWithin: 10_000 };
    const core = createCore({ ...setup, inFlightPerAddress: 1, random: randomOf(1) }, now);
    core.handle(now, { kind: "tick" });
    core.handle(now, { kind: "opened", token: "t" });
    return core;
}

function connected() {
    const core = opening();
    core.handle(now, { kind: "frame", frame: { welcome: WELCOME } });
    return core;
}

/** Whether the connection is let go of for a frame. */
function isBad(frame, core = connected()) {
    const outputs = core.handle(now, { kind: "frame", frame });
    return outputs.some(({ kind, why }) => kind === "disconnected" && why.kind === "badFrame");
}

test("what is no object with one key ends the connection", () => {
    for (const frame of [null, undefined, 7, "welcome", true, [], {}, { signal: FRAMES.signal, marked: FRAMES.marked }]) {
        assert(isBad(frame), JSON.stringify(frame));
    }
});

test("a client is welcomed once over a connection", () => assert(isBad({ welcome: WELCOME })));

test("what a newer release says is passed over", () => {
    for (const name of ["hologram", "__proto__", "constructor", "toString", ""]) {
        for (const said of [{}, null, 7, [1]]) {
            const frame = JSON.parse(`{${JSON.stringify(name)}: ${JSON.stringify(said)}}`);
            assert.deepEqual(connected().handle(now, { kind: "frame", frame }), [], name);
        }
    }
});

test("a number that can't be told from the next one ends the connection", () => {
    for (const wrong of [2 ** 53, 1e308, -1, 0.5, "1", {}]) {
        for (const name of ["entry", "caught_up"]) {
            assert(!isBad({ [name]: { ...FRAMES[name], seq: 2 ** 53 - 1 } }));
            assert(isBad({ [name]: { ...FRAMES[name], seq: wrong } }), `${name} ${wrong}`);
        }
        assert(isBad({ rejected: { ...FRAMES.rejected, retry_after: wrong } }), `retry_after ${wrong}`);
    }
    for (const content of [7, "text", {}, { message: 7 }]) assert(!isBad({ entry: { ...FRAMES.entry, content } }));
});

for (const [name, whole] of Object.entries(FRAMES)) {
    test(`a frame ${name} has its fields`, () => {
        const begun = name === "welcome" ? opening : connected;
        assert(!isBad({ [name]: whole }, begun()), "as it is");
        assert(!isBad({ [name]: { ...whole, newer: { field: 7 } } }, begun()), "with one that is not known");
        for (const [field, value] of Object.entries(whole)) {
            const { [field]: _, ...without } = whole;
            assert.equal(isBad({ [name]: without }, begun()), value !== null, `without ${field}`);
            assert.equal(isBad({ [name]: { ...whole, [field]: null } }, begun()), value !== null, `${field}: null`);
        }
        for (const wrong of [null, 7, "text", []]) assert(isBad({ [name]: wrong }, begun()), JSON.stringify(wrong));
    });
}
