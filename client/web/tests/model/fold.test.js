// Messages out of entries: a table of what may come in which order, and any order of anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createFold } from "../../dunlin/conversation/fold.js";
import { takePast } from "../../dunlin/conversation/pages.js";
import { begun, edit, folded, id, mine, past, react, receipt, said, shown, taken, text, theirs } from "./said.js";

const failed = (from, to) => said(from, "alice", 9, { failed: { id: id(1), to, code: "region_unreachable", message: "far" } });

test("what comes becomes messages as they are now", () => {
    const table = [
        ["in order", [mine(1, text("a")), theirs(2, text("b"))], "alice: a sent, bob: b"],
        ["backwards", [theirs(2, text("b")), mine(1, text("a"))], "alice: a sent, bob: b"],
        ["twice", [theirs(2, text("b")), theirs(2, text("b"))], "bob: b"],
        ["an edit", [theirs(1, text("a")), theirs(2, edit(1, "b"))], "bob: b*"],
        ["an edit before its message", [theirs(2, edit(1, "b")), theirs(1, text("a"))], "bob: b*"],
        ["edits the other way round", [theirs(1, text("a")), theirs(3, edit(1, "c")), theirs(2, edit(1, "b"))], "bob: c*"],
        ["an edit by the other one", [theirs(1, text("a")), mine(2, edit(1, "b"))], "bob: a"],
        ["a deletion", [theirs(1, text("a")), theirs(2, taken(1))], "bob: -"],
        ["a deletion by the other one", [mine(1, text("a")), theirs(2, taken(1))], "alice: a sent"],
        ["a deletion before its edit", [theirs(1, text("a")), theirs(3, taken(1)), theirs(2, edit(1, "b"))], "bob: -"],
        ["an edit after the deletion", [theirs(1, text("a")), theirs(2, taken(1)), theirs(3, edit(1, "b"))], "bob: -"],
        ["a deletion of an edited one", [theirs(1, text("a")), theirs(2, edit(1, "b")), theirs(3, taken(1))], "bob: -"],
        ["a deletion before its message", [theirs(2, taken(1)), theirs(1, text("a"))], "bob: -"],
        ["changes of what is unknown", [theirs(2, taken(1)), theirs(3, edit(5, "x")), mine(4, react(6, "👍"))], ""],
        ["reactions", [theirs(1, text("a")), mine(2, react(1, "👍")), theirs(3, react(1, "👍"))], "bob: a 👍alice+bob"],
        ["two of one", [theirs(1, text("a")), mine(2, react(1, "👍")), mine(3, react(1, "🎉"))], "bob: a 👍alice 🎉alice"],
        ["one twice", [theirs(1, text("a")), mine(2, react(1, "❤")), mine(3, react(1, "❤\ufe0f"))], "bob: a ❤\ufe0falice"],
        ["one reaction, written in two ways", [mine(1, text("a")), mine(2, react(1, "❤")), theirs(3, react(1, "❤\ufe0f"))],
            "alice: a ❤alice+bob sent"],
        ["one taken back", [theirs(1, text("a")), mine(2, react(1, "❤\ufe0f")), mine(3, react(1, "❤\ufe0e", false))], "bob: a"],
        ["one taken back before it came", [theirs(1, text("a")), mine(3, react(1, "👍", false)), mine(2, react(1, "👍"))], "bob: a"],
        ["a reaction before its message", [mine(2, react(1, "👍")), theirs(1, text("a"))], "bob: a 👍alice"],
        ["a reaction to what was deleted", [theirs(1, text("a")), theirs(2, taken(1)), mine(3, react(1, "👍"))], "bob: -"],
        ["one id of both", [theirs(1, text("b")), mine(1, text("a")), mine(2, edit(1, "c"))], "alice: c* sent, bob: b"],
        ["another conversation", [said("carol", "alice", 1, text("x")), said("alice", "carol", 2, text("y"))], ""],
        ["what could not be delivered", [mine(1, text("a")), failed("alice", "bob")], "alice: a failed(region_unreachable)"],
        ["the same before its message", [failed("alice", "bob"), mine(1, text("a"))], "alice: a failed(region_unreachable)"],
        ["the same by the peer", [mine(1, text("a")), failed("bob", "bob")], "alice: a sent"],
        ["the same of another conversation", [mine(1, text("a")), failed("alice", "carol")], "alice: a sent"],
        ["a kind of a newer release", [theirs(1, { poll: { question: "?" } }), theirs(2, text("b"))], "bob: b"],
        ["bidi marks and HTML", [theirs(1, text("\u202e<b onclick=x>&amp;"))], "bob: \u202e<b onclick=x>&amp;"],
    ];
    for (const [name, entries, meant] of table) assert.equal(shown(folded(entries).messages()), meant, name);
});

test("what failed says whether the same again may help", () => {
    const fold = folded([failed("alice", "bob"), mine(1, text("a"))]);
    fold.draft({ draft: { key: "k", to: "bob", at: 9, content: text("b"), error: { code: "too_old", message: "no" } } });
    assert.deepEqual(fold.messages().map(({ error }) => [error.code, error.retryable]), [["region_unreachable", true], ["too_old", false]]);
});

test("who this is may be known later than what was kept", () => {
    let user = "";
    const fold = createFold("bob", () => user, Object.freeze);
    for (const entry of [mine(1, text("a")), theirs(2, text("b")), mine(3, react(2, "👍"))]) fold.entry({ entry });
    assert.equal(shown(fold.messages()), ": a sent, bob: b 👍");
    user = "alice";
    fold.anew();
    assert.equal(shown(fold.messages()), "alice: a sent, bob: b 👍alice");
});

test("a message has all that it came with, and nothing of it is left once it is deleted", () => {
    const message = { text: null, data: "AP8=", attachments: ["a.png"], reply_to: id(7) };
    const fold = folded([theirs(1, { message })]);
    assert.deepEqual({ ...fold.messages()[0] }, {
        key: `bob/${id(1)}`, id: id(1), from: "bob", mine: false, time: 1, order: 1, text: null, data: new Uint8Array([0, 255]),
        attachments: ["a.png"], replyTo: id(7), mentions: [], edited: false, deleted: false, reactions: [], state: null, receipts: null,
        event: null, folded: false, error: null,
    });
    fold.entry({ entry: theirs(2, taken(1)) });
    const { text, data, attachments, deleted } = fold.messages()[0];
    assert.deepEqual([text, data, attachments, deleted], [null, null, [], true]);
});

test("what is null is as if it were not there", () => {
    const shownOf = message => ({ ...folded([theirs(1, { message })]).messages()[0] });
    assert.deepEqual(shownOf({ text: null, data: null, attachments: null, reply_to: null }), shownOf({}));
});

test("what is not as it is known is passed over", () => {
    const [target, message] = [id(1), {}];
    for (const content of [
        7, "text", { message: 7 }, { message: { text: 7 } }, { message: { data: "%%%" } }, { message: { data: 5 } },
        { message: { text: "b", reply_to: {} } }, { message: { text: "b", attachments: 7 } },
        { react: { target, on: true } }, { react: { target, emoji: "", on: true } }, { react: { emoji: "👍", on: true } }, { react: 7 },
        { edit: { text: "c" } }, { edit: { target, data: "A" } }, { delete: {} }, { delete: 7 }, { failed: "x" }, { failed: { to: "bob", id: 7 } },
    ]) {
        const said = JSON.stringify(content);
        assert.equal(shown(folded([theirs(1, text("a")), theirs(2, content), mine(3, content)]).messages()), "bob: a", said);
    }
    assert.equal(folded([theirs(1, { message })]).messages().length, 1);
});

test("what has not changed is the same object", () => {
    const fold = folded([theirs(1, text("a")), theirs(2, text("b")), mine(3, text("c"))]);
    const before = fold.messages();
    for (const again of [theirs(1, text("a")), theirs(9, { poll: {} })]) fold.entry({ entry: again });
    fold.receipt({ receipt: receipt(null, null) });
    assert.equal(fold.messages(), before, "nothing has changed");
    const isSame = () => fold.messages().map((message, at) => message === before[at]);
    fold.entry({ entry: theirs(4, edit(2, "B")) });
    assert.deepEqual(isSame(), [true, false, true]);
    fold.receipt({ receipt: receipt(3, null) });
    assert.deepEqual(isSame(), [true, false, false]);
    const after = fold.messages();
    for (const again of [theirs(4, edit(2, "B")), theirs(3, edit(2, "older"))]) fold.entry({ entry: again });
    fold.receipt({ receipt: receipt(3, null) });
    assert.equal(fold.messages(), after);
    assert.throws(() => (after[0].text = "x"), TypeError);
    assert.throws(() => after.push(after[0]), TypeError);
});

test("pages of history and entries give the same in any order", () => {
    const entries = [theirs(1, text("a")), theirs(2, edit(1, "b")), mine(3, react(1, "👍")), mine(4, text("c"))];
    const page = [past(entries[3], "c"), past(entries[0], "b", 2, [["alice", "👍", 3]])];
    const meant = "bob: b* 👍alice, alice: c sent";
    const alone = begun();
    page.forEach(entry => takePast(alone, entry));
    assert.equal(shown(alone.messages()), meant);
    entries.forEach(entry => alone.entry({ entry }));
    assert.equal(shown(alone.messages()), meant, "the same entries come as well");
    const after = folded(entries);
    page.forEach(entry => takePast(after, entry));
    assert.equal(shown(after.messages()), meant);
    // What came since the page was read goes before it.
    const both = begun();
    takePast(both, past(mine(1, text("a")), "a", null, [["bob", "👍", 3], ["alice", "👍", 4]]));
    assert.deepEqual(both.messages()[0].reactions, [{ emoji: "👍", from: ["bob", "alice"], mine: true }]);
    const newer = folded([theirs(5, edit(1, "d")), mine(6, react(1, "👍", false)), mine(7, taken(4))]);
    page.forEach(entry => takePast(newer, entry));
    assert.equal(shown(newer.messages()), "bob: d*, alice: - sent");
});

test("what was stored again after a power loss stands where it is now", () => {
    const again = { ...theirs(1, text("a")), time: 5, order: 4, seq: 4 };
    const once = theirs(1, text("a"));
    for (const entries of [[once, theirs(2, text("b")), again], [again, theirs(2, text("b")), once]]) {
        assert.equal(shown(folded(entries).messages()), "bob: b, bob: a");
    }
});

const draft = (key, at, content, more) => ({ key, to: "bob", at, content, ...more });
const tooOld = { code: "too_old", message: "it may be stored" };
const accepted = (key, number, content) =>
    draft(key, 1, content, { id: id(number), accepted: { id: id(number), order: number, time: number } });

test("what is sent from here keeps its key whatever its answer", () => {
    const [first, last] = ["alice: a sent, bob: b", "bob: b, alice: a sending"];
    const ok = accepted("k", 5, text("a"));
    const refused = draft("k", 1, text("a"), { id: id(5), error: tooOld });
    const table = [
        ["no answer", undefined, false, false, last],
        ["accepted", ok, false, false, first],
        ["its copy comes before the answer, and again", ok, true, true, first],
        ["refused", refused, false, false, "alice: a failed(too_old), bob: b"],
        ["it was stored all the same", refused, false, true, first],
        ["its copy comes before the refusal", refused, true, false, first],
    ];
    for (const [name, outcome, isFirst, isLast, meant] of table) {
        const fold = folded([theirs(9, text("b"))]);
        fold.draft({ draft: draft("k", 1, text("a")) });
        fold.draft({ draft: draft("k", 1, text("a"), { id: id(5) }) });
        if (isFirst) fold.entry({ entry: mine(5, text("a")) });
        if (outcome) fold.draft({ draft: outcome });
        if (isLast) fold.entry({ entry: mine(5, text("a")) });
        assert.equal(shown(fold.messages()), meant, name);
        assert.deepEqual(fold.messages().filter(({ mine }) => mine).map(({ key, id }) => [key, id]), [["k", id(5)]], name);
    }
});

test("a draft is there once, whatever is told again and in whatever order", () => {
    const waits = draft("k", 1, text("a"));
    const told = [
        fold => fold.draft({ draft: waits }),
        fold => fold.draft({ draft: { ...waits, id: id(5) } }),
        fold => fold.entry({ entry: mine(5, text("a")) }),
    ];
    for (const order of [[0, 1, 2], [2, 0, 1], [0, 2, 1], [2, 1, 1], [1, 0, 2], [1, 1, 2, 1]]) {
        const fold = begun();
        order.forEach(at => told[at](fold));
        assert.equal(shown(fold.messages()), "alice: a sent", order);
    }
});

test("what failed is retried or discarded, and stands where it was said", () => {
    const fold = folded([mine(1, text("a"))]);
    fold.draft({ draft: draft("b", 1, text("b")) });
    fold.draft({ draft: draft("b", 1, text("b"), { error: tooOld }) });
    fold.entry({ entry: theirs(4, text("d")) });
    fold.draft({ draft: draft("e", 3, text("e")) });
    assert.equal(shown(fold.messages()), "alice: a sent, alice: b failed(too_old), bob: d, alice: e sending");
    fold.draft({ draft: draft("b", 1, text("b")) });
    assert.equal(shown(fold.messages()), "alice: a sent, bob: d, alice: b sending, alice: e sending");
    fold.draft({ draft: draft("b", 1, text("b"), { error: tooOld }) });
    fold.discarded({ key: "b" });
    fold.discarded({ key: "b" });
    assert.equal(shown(fold.messages()), "alice: a sent, bob: d, alice: e sending");
    fold.draft({ draft: draft("f", 2, text("f"), { error: tooOld }) });
    assert.equal(shown(fold.messages()), "alice: a sent, alice: f failed(too_old), bob: d, alice: e sending", "it failed before");
});

test("a change of one's own counts once it is accepted", () => {
    const fold = folded([mine(1, text("a"))]);
    fold.draft({ draft: draft("k", 1, edit(1, "b")) });
    fold.draft({ draft: draft("k", 1, edit(1, "b"), { error: tooOld }) });
    assert.equal(shown(fold.messages()), "alice: a sent");
    fold.draft({ draft: accepted("k", 2, edit(1, "b")) });
    assert.equal(shown(fold.messages()), "alice: b* sent");
});

test("receipts only rise", () => {
    const fold = folded([mine(1, text("a")), mine(2, text("b")), theirs(3, text("c")), mine(4, text("d"))]);
    const states = () => fold.messages().flatMap(({ state }) => state ?? []).join(" ");
    for (const [delivered, read, meant] of [
        [2, null, "delivered delivered sent"],
        [1, null, "delivered delivered sent"],
        [null, 1, "read delivered sent"],
        [2, 1, "read delivered sent"],
        [2, 3, "read read sent"],
        [null, 4, "read read read"],
    ]) {
        fold.receipt({ receipt: receipt(delivered, read) });
        assert.equal(states(), meant, `${delivered} ${read}`);
    }
    // A receipt may come before the answer.
    fold.draft({ draft: draft("k", 9, text("e")) });
    fold.receipt({ receipt: receipt(5, null) });
    fold.draft({ draft: accepted("k", 5, text("e")) });
    assert.equal(states(), "read read read delivered");
});

test("what came to no device below a mark is neither delivered nor read until it comes", () => {
    const fold = folded([mine(1, text("a")), mine(2, text("b")), mine(4, text("d"))]);
    for (const [mark, missing, meant] of [
        [4, [{ above: 0, upto: 2 }], ["sent", "sent", "read"]],
        [4, [{ above: 1, upto: 2 }], ["read", "sent", "read"]],
        [3, [{ above: 0, upto: 2 }], ["read", "sent", "read"]],
        [4, null, ["read", "read", "read"]],
    ]) {
        fold.receipt({ receipt: receipt(mark, mark, 0, 4, missing) });
        assert.deepEqual(fold.messages().map(({ state }) => state), meant);
    }
});

test("where orders begin anew a mark says nothing of what was said since", () => {
    const fold = folded([mine(1, text("a")), mine(2, text("b"))]);
    fold.receipt({ receipt: receipt(9, 2, 0, 3) });
    // Bob's log went back; what has the order 2 now was said long behind the marks.
    const later = 30_004;
    for (const [order, what] of [[2, "c"], [3, "d"]]) {
        const stored = { id: id(later + order), order, time: later };
        fold.draft({ draft: draft(what, later, text(what), { id: stored.id, accepted: stored }) });
    }
    assert.equal(shown(fold.messages()), "alice: a read, alice: b read, alice: c sent, alice: d sent");
    fold.receipt({ receipt: receipt(2, null, 3, later) });
    assert.equal(shown(fold.messages()), "alice: a read, alice: b read, alice: c delivered, alice: d sent");
    for (let since = 10; since < 18; since++) fold.receipt({ receipt: receipt(null, null, since, later) });
    assert.equal(shown(fold.messages()), "alice: a sent, alice: b sent, alice: c sent, alice: d sent", "only the last lives are known");
});

test("the oldest is forgotten and what is awaited is bounded", () => {
    const fold = begun();
    fold.keep = 3;
    const told = number => [
        theirs(number, text(String(number))), mine(2 + number, react(number, "👍")), mine(3 + number, edit(number - 50, "x")),
    ];
    for (let number = 101; number <= 200; number++) for (const entry of told(number)) fold.entry({ entry });
    const meant = "bob: 198 👍alice, bob: 199 👍alice, bob: 200 👍alice";
    assert.equal(shown(fold.messages()), meant);
    fold.entry({ entry: theirs(150, text("old")) });
    assert.equal(shown(fold.messages()), meant, "what is too old to keep");
    fold.entry({ entry: mine(210, edit(201, "y")) });
    fold.entry({ entry: mine(201, text("awaited")) });
    assert.equal(shown(fold.messages()), "bob: 199 👍alice, bob: 200 👍alice, alice: y* sent");
    for (let number = 0; number < 1_000; number++) {
        fold.entry({ entry: theirs(5_000 + number, react(200, String.fromCodePoint(0x1f300 + number))) });
    }
    assert.equal(fold.messages()[1].reactions.length, 64);
});

/** Numbers from a seed. */
function random(seed) {
    return most => {
        seed = (seed + 0x6d2b79f5) | 0;
        let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) % most;
    };
}

/** Times are few, so that ids have to decide as well. */
function entriesOf(next) {
    return Array.from({ length: 1 + next(15) }, (_, at) => {
        const target = 1 + next(8);
        const word = String.fromCharCode(97 + next(26));
        const emoji = ["👍", "❤", "❤\ufe0f"][next(3)];
        const content = [text(word), text(word), text(word), edit(target, word), edit(target, word), taken(target),
            react(target, emoji), react(target, emoji, false)][next(8)];
        return { ...(next(2) ? mine : theirs)(at + 1, content), time: next(6) };
    });
}

test("any order and repetition of the same entries gives the same messages", () => {
    for (let seed = 0; seed < 500; seed++) {
        const next = random(seed);
        const once = entriesOf(next);
        const again = Array.from({ length: next(8) }, () => once[next(once.length)]);
        const mixed = [...once, ...again].map(entry => [next(1e9), entry]).sort(([one], [other]) => one - other);
        const shuffled = mixed.map(([, entry]) => entry);
        const meant = folded(once);
        assert.deepEqual(folded(shuffled).messages(), meant.messages(), `seed ${seed}`);
        // The device that sent one of them itself sees the same in the end.
        const sender = begun();
        const sent = next(shuffled.length);
        shuffled.forEach((entry, at) => {
            if (at !== sent || entry.from !== "alice") return sender.entry({ entry });
            const { content, ...accepted } = entry;
            sender.draft({ draft: draft("k", 0, content) });
            sender.draft({ draft: draft("k", 0, content, { id: accepted.id, accepted }) });
        });
        assert.equal(shown(sender.messages()), shown(meant.messages()), `seed ${seed}`);
        // And so does one who looks at it with every entry.
        const watcher = begun();
        shuffled.forEach(entry => (watcher.entry({ entry }), watcher.messages()));
        assert.deepEqual(watcher.messages(), meant.messages(), `seed ${seed}`);
    }
});
