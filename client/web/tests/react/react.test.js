// The hooks and their example in a real React: what has changed is drawn, and nothing else.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildSync } from "esbuild";
import { Window } from "happy-dom";
import { createConversations } from "../../dunlin/conversation/conversations.js";
import { Source } from "../../dunlin/readable.js";
import { host, turn } from "../model/host.js";
import { text, theirs } from "../model/said.js";

const window = new Window();
Object.assign(globalThis, { window, document: window.document, IS_REACT_ACT_ENVIRONMENT: true });
globalThis.navigator ??= window.navigator;
const [{ act, createElement }, { createRoot }, { renderToString }] = await Promise.all(
    ["react", "react-dom/client", "react-dom/server"].map(name => import(name)),
);

// What React's people write has to be built; it stands where it finds the packages of the tests.
const folder = mkdtempSync(join(import.meta.dirname, "../node_modules/.react-"));
after(() => rmSync(folder, { recursive: true }));
const outfile = join(folder, "built.mjs");
const contents = 'export * from "./example.jsx"; export * from "./index.js";';
const resolveDir = join(import.meta.dirname, "../../react");
buildSync({ stdin: { contents, resolveDir }, bundle: true, format: "esm", jsx: "automatic", packages: "external", outfile });
const { Chat, useConversations, usePresence } = await import(outfile);

/** What a component has of a client. */
function client() {
    const its = host();
    const model = createConversations(its);
    its.tell = model.tell;
    const status = { state: "online" };
    const people = { watched: [], now: new Map() };
    const presences = [];
    return {
        its,
        tell: told => model.tell(told),
        conversation: address => model.get(address),
        conversations: model.list,
        status: new Source(() => status),
        presence(users) {
            const source = new Source(() => people.now, () => {
                people.watched.push(users.join());
                return () => people.watched.push("end");
            });
            presences.push(source);
            return source;
        },
        people,
        are(now) {
            people.now = now;
            presences.forEach(source => source.changed());
        },
    };
}

async function drawn(element) {
    const place = window.document.createElement("div");
    window.document.body.append(place);
    const root = createRoot(place);
    await act(async () => root.render(element));
    return { place, root, draw: element => act(async () => root.render(element)) };
}

const entry = entry => ({ kind: "entry", entry });

test("what is said is shown as text, also where a server draws it", async () => {
    const alice = client();
    alice.tell(entry(theirs(1, text("<img src=x onerror=alert(1)>"))));
    const page = renderToString(createElement(Chat, { client: alice, peer: "bob" }));
    assert.match(page, /&lt;img src=x onerror=alert\(1\)&gt;/);
    assert.doesNotMatch(page, /<img/);
});

test("a chat shows what comes, sends what is written, and lets what failed be tried again", async () => {
    const alice = client();
    const { place, root } = await drawn(createElement(Chat, { client: alice, peer: "bob" }));
    const tell = told => act(async () => (alice.tell(told), await turn()));
    await tell(entry(theirs(1, text("hello"))));
    assert.match(place.textContent, /hello/);
    assert.deepEqual(alice.its.done, [["read", "bob", 1]], "what is on the screen is read");
    await tell({ kind: "signal", from: "bob", signal: "typing" });
    assert.match(place.textContent, /bob is typing/);
    await tell({ kind: "signal", from: "bob", signal: "typing_stopped" });
    await act(async () => (alice.are(new Map([["bob", { state: "offline", lastSeen: null }]])), await turn()));
    assert.match(place.textContent, /bob is offline; you are online/);

    const input = place.querySelector("input");
    await act(async () => {
        Object.getOwnPropertyDescriptor(window.HTMLInputElement.prototype, "value").set.call(input, "hi");
        input.dispatchEvent(new window.Event("input", { bubbles: true }));
    });
    await act(async () => place.querySelector("form").dispatchEvent(new window.Event("submit", { bubbles: true, cancelable: true })));
    assert.deepEqual(alice.its.done.slice(1).map(([what]) => what), ["signal", "submit"]);
    assert.match(place.textContent, /hi sending/);
    assert.equal(input.value, "");
    const draft = { key: "k1", to: "bob", content: text("hi"), at: 1_001, error: { code: "refused", message: "no" } };
    await tell({ kind: "draft", draft });
    assert.match(place.textContent, /hi failed/);
    await act(async () => place.querySelector("li button").click());
    assert.deepEqual(alice.its.done.at(-1), ["retry", "k1"]);
    await act(async () => root.unmount());
    assert.deepEqual(alice.people.watched, ["bob", "end"]);
});

test("people are watched once for the same ones, and others in their place", async () => {
    const alice = client();
    const People = ({ users }) => [...usePresence(alice, users).keys()].join();
    const { root, draw } = await drawn(createElement(People, { users: ["bob", "carol"] }));
    await draw(createElement(People, { users: ["bob", "carol"] }));
    assert.deepEqual(alice.people.watched, ["bob,carol"]);
    await draw(createElement(People, { users: ["dave"] }));
    assert.deepEqual(alice.people.watched.toSorted(), ["bob,carol", "dave", "end"]);
    await act(async () => root.unmount());
});

test("what has not changed is not drawn again", async () => {
    const alice = client();
    const drawings = [];
    const List = () => {
        const rows = useConversations(alice);
        drawings.push(rows.map(row => `${row.with} ${row.unread}`).join());
        return drawings.at(-1);
    };
    const { root } = await drawn(createElement(List));
    const tell = told => act(async () => (alice.tell(told), await turn()));
    await tell(entry(theirs(1, text("a"))));
    await tell({ kind: "signal", from: "bob", signal: "typing" });
    await tell(entry(theirs(2, text("b"))));
    assert.deepEqual(drawings, ["", "bob 1", "bob 2"]);
    await act(async () => root.unmount());
});
