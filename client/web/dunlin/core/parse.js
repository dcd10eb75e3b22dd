/** Reads the frames of a gateway: what this release knows, what it passes over, and what is none. */

import { isName } from "./address.js";
import { isId } from "./ids.js";

/** @import { ServerFrames } from "./types.js" */

/** @typedef {(value: any) => boolean} Check */

/** @type {Check} */
const text = value => typeof value === "string";
/** @type {Check} */
const name = value => text(value) && isName(value);
/** @type {Check} */
const number = value => Number.isInteger(value) && value >= 0;
/** @type {Check} */
const object = value => typeof value === "object" && value !== null && !Array.isArray(value);
/** @type {Check} */
const oneKey = value => object(value) && Object.keys(value).length === 1;
/** @type {Check} */
const spans = value => Array.isArray(value) && value.every(span => object(span) && number(span.above) && number(span.upto));
/** @type {(check: Check) => Check} */
const maybe = check => value => value == null || check(value);

const refusal = { code: text, message: text, retry_after: maybe(number) };

/**
 * What each frame has to have.
 *
 * @type {Record<keyof ServerFrames, Record<string, Check>>}
 */
const FRAMES = {
    welcome: { user: name, device: name, region: name, server_time: number, limits: object },
    gap: { log: text, from: number, to: number, cursor: text },
    entry: {
        log: text,
        seq: number,
        cursor: text,
        time: number,
        id: isId,
        from: text,
        to: text,
        order: maybe(number),
        content: oneKey,
    },
    caught_up: { log: text, seq: number, cursor: text },
    accepted: { id: isId, order: maybe(number), time: number },
    rejected: { id: text, ...refusal },
    refused: { ref: maybe(number), ...refusal },
    goodbye: refusal,
    answer: { ref: number, what: oneKey },
    signal: { from: text, kind: text },
    presence: { user: text, state: text, last_seen: maybe(number) },
    receipt: {
        by: maybe(text),
        to: text,
        order: maybe(number),
        delivered: maybe(number),
        read: maybe(number),
        of: maybe(number),
        time: number,
        since: maybe(number),
        missing: maybe(spans),
    },
    marked: { with: text, read: number },
};

/**
 * A frame by its name, where this release knows it; an empty object for one of a newer release, and `null` for what is no frame.
 *
 * @param {any} frame
 * @returns {Partial<ServerFrames> | null}
 */
export function parse(frame) {
    if (!oneKey(frame)) return null;
    const [[kind, said]] = Object.entries(frame);
    if (!Object.hasOwn(FRAMES, kind)) return {};
    const fields = Object.entries(FRAMES[/** @type {keyof ServerFrames} */ (kind)]);
    return object(said) && fields.every(([field, check]) => check(said[field])) ? frame : null;
}
