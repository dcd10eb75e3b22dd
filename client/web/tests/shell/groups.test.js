// Groups over a gateway: what a client keeps of one, and the commands of `dunlin/groups.js`, each done once.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { beginning, createIds } from "../../dunlin/core/ids.js";
import { group, groups, join } from "../../dunlin/groups.js";
import { MemoryStore } from "../../dunlin/store/memory.js";
import { begin, online } from "./begin.js";
import { Gateway, token, until } from "./gateway.js";

const ids = createIds(Math.random);
const ulid = () => ids.next(Date.now());

/** A store that a later client finds as this one left it. */
class Lasting extends MemoryStore {
    close() {}

    all(table) {
        return [...this.tables[table].values()];
    }
}

/** What a group's log says next. */
function teller(gateway, user) {
    let seq = 0;
    return (from, content, id = ulid()) => {
        seq += 1;
        const entry = { log: "#team", seq, cursor: `t${seq}`, time: gateway.now, id, from, to: "#team", order: seq, content };
        gateway.tell(user, { entry });
        return entry;
    };
}

const text = text => ({ message: { text } });
const asked = gateway => gateway.came("ask").map(({ what }) => what).filter(what => !what.presence);

test("a group's log goes on where it was, and what an admin took back is not kept", async t => {
    const [gateway, store] = [new Gateway(), new Lasting()];
    const alice = begin(t, gateway, "alice", { store });
    await online(alice);
    const say = teller(gateway, "alice");
    const [secret, kept] = [say("carol", text("secret")), say("carol", text("to stay"))];
    say("bob", { delete: { target: secret.id } });
    await until(() => store.all("entries").length === 2);
    assert.deepEqual(store.all("entries").map(({ id }) => id).filter(id => id !== kept.id).includes(secret.id), false);
    await until(() => gateway.came("ack").some(({ log, delivered }) => log === "#team" && delivered === 3));
    for (const [order, time] of [[2, gateway.now], [1, 5]]) {
        gateway.tell("alice", { receipt: { by: null, to: "#team", order, delivered: 1, read: 0, of: 2, time } });
    }
    await until(() => store.all("receipts").length === 2);
    await alice.close();

    const errors = [];
    const again = begin(t, gateway, "alice", { store });
    again.on("error", error => errors.push(error.code));
    await online(again);
    assert.equal(gateway.came("hello").at(-1).cursors["#team"], "t3");
    const seen = () => again.conversation("#team").messages.get().map(({ text, deleted }) => [text, deleted]);
    await until(() => seen().length);
    assert.deepEqual(seen(), [["to stay", false]]);
    // What came a month ago is told again with the next connection, where there is still something to tell.
    assert.deepEqual(store.all("receipts").map(({ order }) => order), [2]);
    for (const code of ["unknown_log", "bad_frame"]) gateway.tell("alice", { refused: { ref: null, code, message: "no", retry_after: null } });
    await until(() => errors.length);
    assert.deepEqual(errors, ["bad_frame"], "that one is in no such group is no mistake");
});

test("each command is what the protocol has", async t => {
    const gateway = new Gateway();
    gateway.answers = { group_create: () => ({ group: { group: "#team", members: 2 } }), group_info: () => ({ group: { group: "#team", members: 3 } }) };
    gateway.answers.group_link = () => ({ link: { token: "team.secret", expires: 7 } });
    gateway.answers.group_join = () => ({ group: { group: "#team", members: 4 } });
    const alice = begin(t, gateway, "alice");
    const team = group(alice, "#team");
    const settings = { history: true };
    assert.deepEqual(await team.create({ title: "The team", members: ["bob"], settings }), { group: "#team", members: 2 });
    assert.deepEqual(await team.add(["carol"]), []);
    await team.remove(["carol"]);
    await team.setRole("bob", "admin");
    await team.set({ title: "Team" });
    await team.leave();
    await team.delete();
    assert.deepEqual(await team.info(), { group: "#team", members: 3 });
    assert.deepEqual(await team.link({ ttl: 60_000, uses: 2 }), { token: "team.secret", expires: 7 });
    assert.deepEqual(await join(alice, "team.secret"), { group: "#team", members: 4 });
    await team.unlink("team.secret");
    const bare = asked(gateway).map(what => Object.entries(what)[0]).map(([kind, { id, ...how }]) => ({ [kind]: how }));
    const its = { group: "#team" };
    assert.deepEqual(bare, [
        { group_create: { ...its, title: "The team", members: ["bob"], settings } }, { group_add: { ...its, users: ["carol"] } },
        { group_remove: { ...its, users: ["carol"] } }, { group_role: { ...its, user: "bob", role: "admin" } },
        { group_set: { ...its, title: "Team" } }, { group_leave: its }, { group_delete: its }, { group_info: its },
        { group_link: { ...its, ttl: 60_000, uses: 2 } }, { group_join: { token: "team.secret" } },
        { group_unlink: { ...its, token: "team.secret" } },
    ]);
});

test("whoever does not let it is not added, and is named", async t => {
    const gateway = new Gateway();
    const without = { users: ["carol"], group: { group: "#team", members: 2 } };
    gateway.answers = { group_create: () => ({ without }), group_add: () => ({ without: { users: ["carol"], group: null } }) };
    const team = group(begin(t, gateway, "alice"), "#team");
    assert.deepEqual(await team.create({ members: ["bob", "carol"] }), { group: "#team", members: 2, without: ["carol"] });
    assert.deepEqual(await team.add(["carol", "dave"]), ["carol"]);
});

test("pages are asked for as they are taken", async t => {
    const gateway = new Gateway();
    gateway.answers = {
        group_members: ({ after }) => ({ members: after ? { items: [{ user: "carol" }], next: null } : { items: [{ user: "alice" }, { user: "bob" }], next: 7 } }),
        groups: () => ({ groups: { items: [{ group: "#team" }], next: null } }),
    };
    const alice = begin(t, gateway, "alice");
    const members = group(alice, "#team").members();
    assert.equal((await members.next()).value.user, "alice");
    assert.equal(asked(gateway).length, 1);
    const rest = [];
    for await (const { user } of members) rest.push(user);
    for await (const { group } of groups(alice)) rest.push(group);
    assert.deepEqual(rest, ["bob", "carol", "#team"]);
    assert.deepEqual(asked(gateway), [
        { group_members: { group: "#team", limit: 100 } }, { group_members: { group: "#team", after: 7, limit: 100 } }, { groups: { limit: 100 } },
    ]);
});

test("a command keeps its id over lost connections and refusals for now, and is over with one for good", async t => {
    const gateway = new Gateway();
    const again = [{ refused: { code: "unavailable", retry_after: 5 } }, { refused: { code: "unknown_outcome", retry_after: 5 } }];
    gateway.answers = { group_add: () => again.shift() ?? { done: {} }, group_remove: () => ({ refused: { code: "not_allowed" } }) };
    const alice = begin(t, gateway, "alice");
    const team = group(alice, "#team");
    await online(alice);
    gateway.mute = true;
    const added = team.add(["bob"]);
    await until(() => asked(gateway).length === 1);
    gateway.mute = false;
    gateway.drop();
    await added;
    const ids = asked(gateway).map(({ group_add: { id } }) => id);
    assert.deepEqual([ids.length, new Set(ids).size], [4, 1]);
    assert.match(ids[0], /^[0-9A-Z]{26}$/);
    await assert.rejects(team.remove(["bob"]), { name: "DunlinError", code: "not_allowed" });
    assert.equal(asked(gateway).length, 5);
    gateway.mute = true;
    const late = team.leave();
    await until(() => asked(gateway).length === 6);
    await alice.close();
    await assert.rejects(late, { code: "ended" });
    await assert.rejects(team.leave(), { code: "ended" });
    for (const wrong of ["team", "#", "#a b", "bob"]) assert.throws(() => group(alice, wrong), TypeError);
    assert.match(group(alice).address, /^#[0-9A-Z]{26}$/);
});

test("a command is asked again after its time is over, by the gateway's clock, and never for somebody else", async t => {
    mock.timers.enable({ apis: ["setTimeout"] });
    t.after(() => mock.timers.reset());
    const gateway = new Gateway();
    gateway.ahead = 3_600_000;
    gateway.mute = true;
    let user = "alice";
    const alice = begin(t, gateway, "alice", { getToken: () => token(user) });
    const asks = () => asked(gateway).length;
    const waits = async what => {
        for (let waited = 0; !what(); waited += 50) {
            assert.ok(waited < 120_000, `${what}`);
            mock.timers.tick(50);
            await new Promise(setImmediate);
        }
    };
    let outcome;
    group(alice, "#team").add(["bob"]).catch(error => (outcome = error.code));
    await waits(() => asks() === 2);
    const [first, second] = asked(gateway).map(({ group_add: { id } }) => id);
    assert.equal(first, second);
    assert.ok(first > beginning(gateway.now - 1_800_000), "it is not of an hour ago");
    user = "mallory";
    gateway.drop();
    await waits(() => alice.status.get().user === "mallory");
    await waits(() => outcome);
    assert.deepEqual([outcome, asks()], ["timedOut", 2]);
});
