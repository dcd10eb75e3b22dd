/** Reads the frames of a gateway: what this release knows, what it passes over, and what is none. */

import { isName } from "./address.js";
import { isId } from "./ids.js";

/** @import { ServerFrames } from "./types.js" */

/** @typedef {(value: any) => boolean} Check */

/** @type {Check} */
const text = value => typeof value === "string";
/** @type {Check} */
const number = value => Number.isInteger(value) && value >= 0;
/** @type {Check} */
const object = value => value instanceof Object && !Array.isArray(value);
/** @type {Check} */
const oneKey = value => object(value) && Object.keys(value).length === 1;

/**
 * What a field may be.
 *
 * @type {Record<string, Check>}
 */
const KINDS = {
    text,
    number,
    object,
    oneKey,
    id: isId,
    name: value => text(value) && isName(value),
    spans: value => Array.isArray(value) && value.every(span => number(span?.above) && number(span.upto)),
};

/**
 * The fields of each frame, by what they are; those with a `?` may be left out.
 *
 * @type {Record<keyof ServerFrames, Record<string, string>>}
 */
const FRAMES = {
    welcome: { name: "user device region", number: "server_time", object: "limits" },
    gap: { text: "log cursor", number: "from to" },
    entry: { text: "log cursor from to", number: "seq time order?", id: "id", oneKey: "content" },
    caught_up: { text: "log cursor", number: "seq" },
    accepted: { id: "id", number: "time order?" },
    rejected: { text: "id code message", number: "retry_after?" },
    refused: { text: "code message", number: "ref? retry_after?" },
    goodbye: { text: "code message", number: "retry_after?" },
    answer: { number: "ref", oneKey: "what" },
    signal: { text: "from kind" },
    presence: { text: "user state", number: "last_seen?" },
    receipt: { text: "by? to", number: "order? delivered? read? of? time since?", spans: "missing?" },
    marked: { text: "with", number: "read" },
};

/**
 * A frame: its name and what it says. Nothing of one that only a newer release knows, and `null` for what is none.
 *
 * @param {any} frame
 * @returns {[keyof ServerFrames, any] | [] | null}
 */
export function parse(frame) {
    if (!oneKey(frame)) return null;
    const [[name, said]] = Object.entries(frame);
    if (!Object.hasOwn(FRAMES, name)) return [];
    const known = /** @type {keyof ServerFrames} */ (name);
    const fits = Object.entries(FRAMES[known]).every(([kind, fields]) =>
        fields.split(" ").every(field => {
            const value = Object(said)[field.replace("?", "")];
            return value == null ? field.endsWith("?") : KINDS[kind](value);
        }),
    );
    return fits ? [known, said] : null;
}
