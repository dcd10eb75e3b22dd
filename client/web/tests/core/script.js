// Scripts as they stand in `client/scripts`, whose README says what is in them: short forms written out, names bound, values compared.

import { readFileSync, readdirSync } from "node:fs";

import { createCore } from "../../dunlin/core/core.js";

const FOLDER = new URL("../../../scripts/", import.meta.url);
const BEGINNING = 1_000_000;
/** One gateway and no jitter: what is not about either needs no ranges. */
export const SETUP = {
    gateways: 1,
    device: "phone",
    cursors: {},
    start: null,
    backoffFirst: 0,
    backoffMost: 30_000,
    connectWithin: 10_000,
    inFlightPerAddress: 1,
};

/** Numbers from 0 up to 1 that look random, the same ones for each seed (mulberry32). */
export function randomOf(seed) {
    return () => {
        seed = (seed + 0x6d2b79f5) | 0;
        let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}

/** All scripts that this core is held to, each with its file. */
export function scripts() {
    const files = readdirSync(FOLDER).filter(file => file.endsWith(".json"));
    const read = file => JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
    const common = files.includes("common.json") ? read("common.json") : {};
    const all = files.filter(file => file !== "common.json").flatMap(file => {
        return writtenOut(read(file), common).map(script => ({ file, ...script }));
    });
    return all.filter(({ only = "js" }) => only === "js");
}

/** With what `@name` stands for in its place. */
function writtenOut(value, common) {
    const named = text => {
        const name = text.slice(1);
        if (!Object.hasOwn(common, name)) throw new Error(`common.json has no ${name}`);
        return writtenOut(common[name], common);
    };
    const isNamed = value => typeof value === "string" && value.startsWith("@");
    if (isNamed(value)) return named(value);
    if (Array.isArray(value)) {
        return value.flatMap(item => {
            const out = writtenOut(item, common);
            return isNamed(item) ? out : [out];
        });
    }
    if (value === null || typeof value !== "object") return value;
    const { "@": base, ...fields } = value;
    const own = Object.entries(fields).map(([name, field]) => [name, writtenOut(field, common)]);
    return { ...(base === undefined ? {} : named("@" + base)), ...Object.fromEntries(own) };
}

/** Each `for` as the steps that it stands for. */
function unrolled(steps) {
    return steps.flatMap(step => {
        if (!step.for) return [step];
        const [first, last] = step.for;
        const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
        return numbers.flatMap(number => step.steps.map(inner => numbered(inner, number)));
    });
}

/** With the number in the place of each `{n}`. */
function numbered(value, number) {
    if (value === "{n}") return number;
    if (typeof value === "string") return value.replaceAll("{n}", String(number));
    if (Array.isArray(value)) return value.map(item => numbered(item, number));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, numbered(field, number)]));
}

/** What a step may say of the core once its input is taken; of some things this one says nothing. */
const LOOKS = {
    deadline: core => core.nextDeadline && core.nextDeadline - BEGINNING,
    isOver: core => core.nextDeadline === null,
    wantsInput: null,
    isBehind: null,
    clockSkew: null,
};

/** Plays a script. Throws where something else comes than what it says. */
export function replay({ only, setup, steps }) {
    let now = { steady: BEGINNING, wall: BEGINNING };
    const core = createCore({ ...SETUP, random: randomOf(7), ...setup }, now);
    const bound = new Map();
    for (const [index, step] of unrolled(steps).entries()) {
        const { at, slept = 0, input, outputs = [], ...looks } = step;
        let steady = at === undefined ? now.steady : BEGINNING + at;
        if (at === "due") steady = Math.max(core.nextDeadline, now.steady);
        now = { steady, wall: now.wall + steady - now.steady + slept };
        const found = input ? core.handle(now, putInto(input, bound)) : [];
        // The Rust library repeats for one run alone, and so has nobody to tell what need not be kept.
        const got = { outputs: (only ? found : found.filter(({ kind }) => kind !== "forget")).map(tagged) };
        const expected = { outputs };
        for (const [name, value] of Object.entries(looks)) {
            if (!(name in LOOKS)) throw new Error(`a step has no ${name}`);
            if (!LOOKS[name]) continue;
            expected[name] = value;
            got[name] = LOOKS[name](core);
        }
        for (const name of Object.keys(expected)) {
            if (fits(expected[name], JSON.parse(JSON.stringify(got[name])), bound)) continue;
            const show = value => JSON.stringify(value);
            const names = show(Object.fromEntries(bound));
            throw new Error(`step ${index + 1}: ${show(step)}
  ${name} expected: ${show(expected[name])}
  ${name} got:      ${show(got[name])}
  bound: ${names}`);
        }
    }
}

/** What is to be done, beside what the application is told of. */
const DONE = ["dial", "write", "hangUp", "skip", "named", "settle", "answered", "forget"];

/** As scripts have it: they say of what the application is told that it is a notification. */
const tagged = ({ kind, ...output }) => (DONE.includes(kind) ? { kind, ...output } : { kind: "notify", what: kind, ...output });

/** With what is bound in the place of each name. */
function putInto(value, bound) {
    if (typeof value === "string" && value.startsWith("$")) {
        if (!bound.has(value)) throw new Error(`nothing was called ${value}`);
        return bound.get(value);
    }
    if (Array.isArray(value)) return value.map(item => putInto(item, bound));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, putInto(field, bound)]));
}

function fits(expected, got, bound) {
    if (typeof expected === "string" && expected.startsWith("$")) {
        if (!bound.has(expected)) bound.set(expected, got);
        return bound.get(expected) === got;
    }
    if (Array.isArray(expected)) {
        const isList = Array.isArray(got) && got.length === expected.length;
        return isList && expected.every((item, at) => fits(item, got[at], bound));
    }
    if (expected === null || typeof expected !== "object") return expected === got;
    const [[rule, value] = [], ...more] = Object.entries(expected);
    if (rule?.startsWith("$") && !more.length) return RULES[rule](value, got, bound);
    if (got === null || typeof got !== "object" || Array.isArray(got)) return false;
    return [...Object.keys(expected), ...Object.keys(got)].filter(name => !OF_RUST.includes(name)).every(name => {
        if (!says(expected[name]) || !says(got[name])) return says(expected[name]) === says(got[name]);
        return fits(expected[name], got[name], bound);
    });
}

const RULES = {
    $in: ([low, high], got) => typeof got === "number" && low <= got && got <= high,
    $idOf: (time, got) => timeOf(got) === time,
    $above: (name, got, bound) => bound.has(name) && bound.get(name) < got,
};

/** The time that an id carries. */
export function timeOf(id) {
    return [...id.slice(0, 10)].reduce((time, digit) => time * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".indexOf(digit), 0);
}

/** What the core in Rust alone says. */
const OF_RUST = ["ordinal", "wasOpen"];

/** Whether a field says something: `null` and an empty list are as if they were not there. */
const says = value => value != null && !(Array.isArray(value) && !value.length);
