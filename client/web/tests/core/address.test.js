// Addresses, as in the Rust library.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isAddress, isLog, isSame, seenFrom } from "../../dunlin/core/address.js";

const long = "a".repeat(64);

test("an address is a person or a group, and perhaps a region", () => {
    for (const text of ["alice", "alice@eu", "#team", "#team@eu-1", "_-9", `${long}@${long}`]) assert(isAddress(text), text);
});

test("anything else is none", () => {
    const none = ["", "#", "@", "@eu", "alice@", "#@eu", "a b", "a.b", "a@b@c", "##team", "al#ice", "alice@#eu", "älice", "alice\n", "a\0"];
    for (const text of [...none, long + "a"]) assert(!isAddress(text), JSON.stringify(text));
});

test("its own region is left out for a reader", () => {
    for (const [address, region, seen] of [
        ["alice@eu", "eu", "alice"],
        ["#team@eu", "eu", "#team"],
        ["alice@eu1", "eu", "alice@eu1"],
        ["alice@eu", "u", "alice@eu"],
        ["alice", "eu", "alice"],
        ["alice@eu", null, "alice@eu"],
        ["alice", null, "alice"],
    ]) {
        assert.equal(seenFrom(address, region), seen);
    }
});

test("a region that is left out may be any", () => {
    for (const [one, other, same] of [
        ["alice", "alice@eu", true],
        ["alice@eu", "alice", true],
        ["alice@eu", "alice@eu", true],
        ["alice@eu", "alice@us", false],
        ["alice", "alicea", false],
        ["alice", "#alice", false],
    ]) {
        assert.equal(isSame(one, other), same, `${one} ${other}`);
    }
});

test("a log is the mailbox or a group's", () => {
    for (const text of ["mailbox", "#team", "#team@eu"]) assert(isLog(text), text);
    for (const text of ["", "alice", "topic/7"]) assert(!isLog(text), text);
});
