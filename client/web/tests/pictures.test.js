// Pictures: a blur against what the reference implementation of ThumbHash (thumbhash 0.1.1) makes of it, and what keeps asking.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { DunlinError } from "../dunlin/errors.js";
import { blurred, showPicture } from "../dunlin/pictures.js";

const SIDE = 32;

/** The pixels in the corners, row by row. @param {string} blur */
function corners(blur) {
    const pixels = blurred(blur);
    assert.equal(pixels.length, 4 * SIDE * SIDE);
    return [0, SIDE - 1, SIDE * (SIDE - 1), SIDE * SIDE - 1].map(at => [...pixels.subarray(4 * at, 4 * at + 4)]);
}

test("a blur is the picture that it was made of", () => {
    const near = (/** @type {number[][]} */ seen, /** @type {number[][]} */ expected) =>
        assert(seen.flat().every((value, at) => Math.abs(value - /** @type {number} */ (expected.flat()[at])) <= 2), JSON.stringify(seen));
    // square
    near(corners("3wcKNxqAh4dweIiIiHiIiIiHCAiHgI8H"), [[53, 40, 168, 255], [255, 14, 135, 255], [9, 255, 135, 255], [255, 244, 129, 255]]);
    // wide
    near(corners("FfYC9Ki/K3R0h4h3d3ePiPeIiA=="), [[255, 0, 0, 255], [0, 0, 255, 255], [255, 0, 0, 255], [0, 0, 255, 255]]);
    // high
    near(corners("T4gKLBSAR4eIiId4d3iAfwiIdw=="), [[6, 38, 6, 255], [210, 27, 0, 255], [0, 29, 91, 255], [200, 44, 107, 255]]);
    // clear at its top
    near(corners("UfeGHQw3gIe4h3eIeIC3B4h7eHiAiIh4iA=="), [[97, 0, 87, 64], [158, 0, 83, 0], [35, 3, 82, 227], [211, 0, 79, 227]]);
});

test("what is no blur, or a part of one, is some picture", () => {
    for (const blur of ["", "AAAA", "////", "3wcKNxqAh4dweIiIiHi"]) assert.equal(blurred(blur).length, 4 * SIDE * SIDE);
});

/** What an image is given, where it decodes what is at good addresses, and is in a document so long. @param {(string | Error)[]} answers */
async function shown(answers, isConnected = true) {
    /** @type {string[]} */
    const seen = [];
    const image = {
        isConnected,
        set src(/** @type {string} */ src) {
            seen.push(src);
        },
        async decode() {
            if (seen.at(-1) !== "good") throw new DOMException("it is broken", "EncodingError");
        },
    };
    const download = async () => {
        const answer = answers.shift();
        if (typeof answer === "string") return answer;
        throw answer;
    };
    mock.timers.enable({ apis: ["setTimeout"] });
    const done = showPicture(/** @type {any} */ (image), { download }, { media: "x" });
    let isDone = false;
    void done.then(() => (isDone = true));
    while (!isDone) {
        mock.timers.tick(2_000);
        await Promise.resolve();
    }
    mock.timers.reset();
    return [seen.join(), answers.length];
}

test("a picture is asked for until it is shown, or can't be", async () => {
    const late = new DunlinError({ code: "timedOut" });
    const unavailable = new DunlinError({ code: "unavailable", retryAfter: 1_000 });
    assert.deepEqual(await shown(["good", "more"]), ["good", 1]);
    assert.deepEqual(await shown([late, "bad", unavailable, "good", "more"]), ["bad,good", 1]);
    assert.deepEqual(await shown([late, new DunlinError({ code: "not_found" }), "good"]), ["", 1]);
    assert.deepEqual(await shown(["bad", "good"], false), ["bad", 1]);
});
