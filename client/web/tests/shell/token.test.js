// The tokens of a client: when it asks for one, and what it does with it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SignedOut } from "../../dunlin.js";
import { begin, online, say } from "./begin.js";
import { Gateway, token, until } from "./gateway.js";

test("a token that says nothing of itself is sent, and what is no frame ends a connection", async t => {
    const sent = [];
    const socket = () => {
        const its = { send: text => sent.push(text), close() {} };
        setTimeout(() => {
            its.onopen();
            its.onmessage({ data: "<html>" });
        });
        return its;
    };
    const client = begin(t, { socket }, "", { getToken: () => "o.pa.que", backoff: { first: 60_000 } });
    await until(() => client.status.get().why?.kind === "badFrame");
    assert.equal(JSON.parse(sent[0]).hello.token, "o.pa.que");
});

describe("tokens", () => {
    const asked = (user, tokens = []) => {
        const whys = [];
        const getToken = async why => {
            whys.push(why);
            const next = tokens.shift();
            if (next instanceof Error) throw next;
            return next ?? token(user);
        };
        return { whys, getToken };
    };
    const seconds = from => Math.floor(Date.now() / 1_000) + from;

    test("one is used as long as it is good", async t => {
        const gateway = new Gateway();
        const { whys, getToken } = asked("alice", [token("alice", { exp: seconds(3_600) })]);
        const alice = begin(t, gateway, "alice", { getToken });
        await online(alice);
        gateway.drop();
        await until(() => gateway.came("hello").length === 2);
        assert.deepEqual(whys.map(({ reason }) => reason), ["first"]);
    });

    test("another one is asked for when a gateway refuses it", async t => {
        const gateway = new Gateway();
        const { whys, getToken } = asked("alice", [token("alice", { exp: seconds(3_600) }), token("alice", { exp: seconds(3_601) })]);
        const alice = begin(t, gateway, "alice", { getToken });
        await online(alice);
        gateway.goodbye("token_revoked");
        await until(() => gateway.came("hello").length === 2);
        assert.deepEqual([whys[1].reason, whys[1].code], ["refused", "token_revoked"]);
        assert.ok(Math.abs(whys[1].serverTime - Date.now()) < 1_000);
        assert.notEqual(gateway.came("hello")[1].token, gateway.came("hello")[0].token);
    });

    test("another one is asked for before one runs out, and nothing is seen of that", async t => {
        const gateway = new Gateway();
        gateway.ahead = 600_000;
        const { whys, getToken } = asked("alice", [token("alice", { exp: seconds(602) }), token("alice", { exp: seconds(4_000) })]);
        const alice = begin(t, gateway, "alice", { getToken });
        await online(alice);
        const states = [];
        t.after(alice.status.subscribe(({ state }) => states.push(state)));
        say(alice, "bob", "1");
        await until(() => gateway.came("hello").length === 2);
        say(alice, "bob", "2");
        await until(() => gateway.mailbox("bob").length === 2);
        assert.equal(whys[1].reason, "expiring");
        assert.ok(Math.abs(whys[1].serverTime - Date.now() - 600_000) < 1_000, "by the gateway's clock");
        assert.deepEqual(new Set(states), new Set(["online"]));
        assert.equal(gateway.sockets.size, 1);
    });

    test("who is signed out ends, and other errors are tried again", async t => {
        const gateway = new Gateway();
        const { whys, getToken } = asked("alice", [new Error("the back end is down"), token("alice"), new SignedOut("bye")]);
        const alice = begin(t, gateway, "alice", { getToken });
        const errors = [];
        alice.on("error", ({ code, message }) => errors.push([code, message]));
        await online(alice);
        assert.deepEqual(errors, [["connection", "Error: the back end is down"]]);
        gateway.goodbye("token_revoked");
        await until(() => alice.status.get().state === "ended");
        assert.equal(whys.length, 3);
        assert.equal(alice.status.get().why.goodbye.code, "token_revoked");
    });

    test("what is no token is asked for again", async t => {
        const wrong = ["", 7, "<!doctype html><h1>502 Bad Gateway</h1>", "a.b"];
        const { whys, getToken } = asked("alice", [...wrong]);
        const alice = begin(t, new Gateway(), "alice", { getToken });
        await online(alice);
        assert.equal(whys.length, wrong.length + 1);
    });

    test("a token for one device says which", async t => {
        const gateway = new Gateway();
        begin(t, gateway, "alice", { getToken: () => token("alice", { dev: "phone" }) });
        await until(() => gateway.came("hello").length);
        assert.equal(gateway.came("hello")[0].device, "phone");
    });
});
