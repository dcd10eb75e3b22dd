// What is loaded when it is first used: once, again where it could not be had, and under another address where it has to be.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { later } from "../dunlin/later.js";

const lost = () => Promise.reject(new TypeError("the network is gone"));

/** All that follows of what is there by now. */
const turns = async () => {
    for (let left = 50; left; left -= 1) await null;
};

function timed(name, run) {
    test(name, async () => {
        mock.timers.enable({ apis: ["setTimeout"] });
        try {
            await run(mock.timers);
        } finally {
            mock.timers.reset();
        }
    });
}

timed("it is loaded with the first who asks, and once", async () => {
    let count = 0;
    const load = later(async () => ({ count: (count += 1) }));
    assert.equal(count, 0);
    const [one, other] = await Promise.all([load(), load()]);
    assert.equal(one, other);
    assert.equal(await load(), one);
    assert.equal(count, 1);
});

timed("what could not be had is tried again, each time later, and whoever asks meanwhile waits for the same", async timers => {
    const answers = [lost, lost, async () => "it"];
    let tries = 0;
    const load = later(() => answers[tries++]());
    const all = [load(), load()];
    for (const [pause, meant] of [[499, 1], [1, 2], [999, 2], [1, 3]]) {
        await turns();
        timers.tick(pause);
        await turns();
        assert.equal(tries, meant);
    }
    assert.deepEqual(await Promise.all(all), ["it", "it"]);
});

timed("after some seconds it is given up, with an error that says so, and whoever asks next has it tried again", async timers => {
    let isThere = false;
    let tries = 0;
    const load = later(() => ((tries += 1), isThere ? Promise.resolve("it") : lost()));
    let failed;
    load().catch(error => (failed = error));
    for (const pause of [500, 1_000, 2_000, 4_000]) {
        await turns();
        assert.equal(failed, undefined);
        timers.tick(pause);
    }
    await turns();
    assert.deepEqual([failed.name, failed.code, tries], ["DunlinError", "notLoaded", 5]);
    assert.match(failed.message, /part of the library.*the network is gone/);
    isThere = true;
    assert.equal(await load(), "it");
});

timed("where a browser remembers that it could not be had, it is had under another address", async timers => {
    const address = "data:text/javascript,export const it = import.meta.url;//";
    const load = later(() => Promise.reject(new TypeError(`Failed to fetch dynamically imported module: ${address.replaceAll(" ", "%20")}`)));
    const loaded = load();
    await turns();
    timers.tick(500);
    assert.match((await loaded).it, /\/\/\?\d+$/);
});
