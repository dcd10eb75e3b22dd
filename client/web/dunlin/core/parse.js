/** Reads the frames of a gateway: what this release knows, what it passes over, and what is none. */

/** @import { ServerFrames } from "./types.js" */

/**
 * What has to be there of each frame. What it is, the schema says that gateways are made of.
 *
 * @type {Record<keyof ServerFrames, string>}
 */
const FRAMES = {
    welcome: "user device region server_time",
    gap: "log cursor",
    entry: "log seq cursor time id from to content",
    caught_up: "log seq cursor",
    accepted: "id time",
    rejected: "id code message",
    refused: "code message",
    goodbye: "code message",
    answer: "ref what",
    signal: "from kind",
    presence: "user state",
    receipt: "to time",
    marked: "with read",
    group_signal: "group from kind",
};

const NUMBERS = ["seq", "time", "server_time", "ref", "read"];
/** May be missing. */
const PERHAPS = ["order", "retry_after"];

/** @param {any} value Numbers that can't be told from the next one are none. */
const isNumber = value => Number.isSafeInteger(value) && value >= 0;

/**
 * Whether a field can be what its name says. Of what was sent anything may be said: only who shows it looks into it.
 *
 * @param {string} field
 * @param {any} value
 */
function isSound(field, value) {
    if (NUMBERS.includes(field)) return isNumber(value);
    return value != null && (field === "content" || typeof value === (field === "what" ? "object" : "string"));
}

/**
 * A frame: its name and what it says. Nothing of one that only a newer release knows, and `null` for what is none.
 *
 * @param {any} frame
 * @returns {[keyof ServerFrames, any] | [] | null}
 */
export function parse(frame) {
    const [[name, said] = [], ...more] = Object.entries(Object(frame));
    if (name === undefined || more.length) return null;
    if (!Object.hasOwn(FRAMES, name)) return [];
    const known = /** @type {keyof ServerFrames} */ (name);
    const isWhole = FRAMES[known].split(" ").every(field => isSound(field, said?.[field]));
    return isWhole && PERHAPS.every(field => said[field] == null || isNumber(said[field])) ? [known, said] : null;
}
