// Files: what is asked of a gateway, and what goes over HTTP beside it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mock, test } from "node:test";
import { DunlinError } from "../../dunlin/errors.js";
import { download, nameOf, upload } from "../../dunlin/files.js";

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map(part => Buffer.from(part)))).digest("hex");
const text = "aaaaaaaabbbbbbbbcccc";
const file = new File([text], "dir/a\nb.txt", { type: "text/plain" });
const part = (number, from, size) => ({ url: `/v1/media/uploads/${number}`, method: "PUT", headers: { "x-part": `${number}` }, from, size });
const refused = (code, retryAfter = null) => new DunlinError({ code, message: "no", retryAfter });

/** A gateway that answers these, one after the other, and whose parts are put where `puts` says. */
function way(t, answers, puts = []) {
    const said = { asked: [], put: [] };
    t.mock.method(globalThis, "fetch", async (url, { headers, body }) => {
        said.put.push([url, headers["x-part"], await body.text()]);
        const status = puts.shift() ?? 204;
        if (status === 0) throw new TypeError("fetch failed");
        return new Response(null, { status });
    });
    t.mock.method(globalThis, "setTimeout", act => void queueMicrotask(act));
    const ask = async what => {
        said.asked.push(what);
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        return answer;
    };
    return { said, ask, gateways: ["ws://one/v1/connect", "wss://two/eu/v1/connect"] };
}

test("an upload that was broken off goes on with what is missing, at another gateway", async t => {
    const media = "01KAHVBV3V0000000000000006";
    const there = way(
        t,
        [
            { upload: { media, parts: [part(1, 0, 8), part(2, 8, 8), part(3, 16, 4)], expires: 9 } },
            { upload: { media, parts: [part(2, 8, 8), part(3, 16, 4)], expires: 9 } },
            refused("unavailable", 5),
            { media: { media: "other", size: 20, name: null } },
        ],
        [204, 0],
    );
    const told = [];
    const done = await upload(there, file, { onProgress: share => told.push(Math.round(share * 20)) });
    assert.deepEqual(done, { media: "other", size: 20, name: "a b.txt" });
    const is = { size: 20, type: "text/plain", sha256: sha256(text) };
    assert.deepEqual(there.said.asked, [
        { upload: { ...is, media: undefined } },
        { upload: { ...is, media } },
        { upload_done: { media, proof: undefined } },
        { upload_done: { media, proof: undefined } },
    ]);
    assert.deepEqual(there.said.put, [
        ["http://one/v1/media/uploads/1", "1", "aaaaaaaa"],
        ["http://one/v1/media/uploads/2", "2", "bbbbbbbb"],
        ["https://two/eu/v1/media/uploads/2", "2", "bbbbbbbb"],
        ["https://two/eu/v1/media/uploads/3", "3", "cccc"],
    ]);
    assert.deepEqual(told, [8, 16, 20, 20]);
});

test("a gateway that has no room is asked again, and one that can't be reached so often", async t => {
    const begun = { upload: { media: "m", parts: [part(1, 0, 20)], expires: 9 } };
    const full = way(t, [...Array(9).fill(begun), { media: { media: "m" } }], [503, 429, 503, 503, 503, 503, 503, 503]);
    assert.equal((await upload(full, file)).media, "m");
    const gone = way(t, Array(9).fill(begun), Array(9).fill(0));
    await assert.rejects(upload(gone, file), { code: "transfer" });
    assert.equal(gone.said.put.length, 6);
});

test("what is there already is shown and not sent", async t => {
    const there = way(t, [{ upload: { media: "m", parts: [], expires: 9, challenge: "AAEC" } }, { media: { media: "m" } }]);
    await upload(there, file);
    assert.deepEqual(there.said.asked[1], { upload_done: { media: "m", proof: sha256([0, 1, 2], text) } });
    assert.deepEqual(there.said.put, []);
});

test("what is refused for good is said at once, and an upload that is given up ends", async t => {
    await assert.rejects(upload(way(t, [refused("too_many")]), file), { code: "too_many" });
    await assert.rejects(upload(way(t, []), new Blob([])), TypeError);
    const gone = new AbortController();
    gone.abort(new Error("enough"));
    const there = way(t, []);
    await assert.rejects(upload(there, file, { signal: gone.signal }), /enough/);
    assert.deepEqual(there.said.asked, []);
});

test("a file has an address of the gateway, or of the store", async t => {
    const found = url => ({ download: { url, headers: {}, type: "image/png", expires: 9 } });
    const there = way(t, [found("/v1/media/x"), found("https://store/x")]);
    assert.equal(await download(there, { media: "m", name: "a.png" }, { thumbnail: true }), "http://one/v1/media/x");
    assert.equal(await download(there, "m"), "https://store/x");
    assert.deepEqual(there.said.asked, [
        { download: { media: "m", thumbnail: true, name: "a.png" } },
        { download: { media: "m", thumbnail: false, name: undefined } },
    ]);
});

test("a name is one that others may be told", () => {
    for (const [given, told] of [
        ["a.png", "a.png"],
        ["C:\\x\\a.png", "a.png"],
        ["../../etc/passwd", "passwd"],
        [`John's "Résumé" 🤩\r\nX: 1.pdf`, `John's "Résumé" 🤩 X: 1.pdf`],
        ["..", undefined],
        ["", undefined],
        [undefined, undefined],
        ["é".repeat(200) + ".jpeg", "é".repeat(125) + ".jpeg"],
    ]) {
        assert.equal(nameOf(given), told);
    }
});
