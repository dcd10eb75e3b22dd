/** Reads the frames of a gateway: what this release knows, what it passes over, and what is none. */

/** @import { ServerFrames } from "./types.js" */

/** @typedef {(value: any) => boolean} Check */

/** @type {Check} */
const isNumber = value => Number.isInteger(value) && value >= 0;
/** @type {Check} */
const isOneKey = value => value instanceof Object && Object.keys(value).length === 1;
/** @type {Check} */
const isSpans = value => Array.isArray(value) && value.every(span => isNumber(span?.above) && isNumber(span.upto));

/**
 * The fields that are read of each frame; those with a `?` may be left out.
 *
 * @type {Record<keyof ServerFrames, string>}
 */
const FRAMES = {
    welcome: "user device region server_time",
    gap: "log cursor",
    entry: "log seq cursor time id from to order? content",
    caught_up: "log seq cursor",
    accepted: "id order? time",
    rejected: "id code message retry_after?",
    refused: "ref? code message retry_after?",
    goodbye: "code message retry_after?",
    answer: "ref what",
    signal: "from kind",
    presence: "user state last_seen?",
    receipt: "by? to delivered? read? time since? missing?",
    marked: "with read",
};

const NUMBERS = "server_time seq time order retry_after ref last_seen delivered read since".split(" ");

/**
 * Whether a field may be this: the same one is the same in each frame.
 *
 * @param {string} field
 * @param {any} value
 */
function fits(field, value) {
    if (NUMBERS.includes(field)) return isNumber(value);
    if (field === "content" || field === "what") return isOneKey(value);
    return field === "missing" ? isSpans(value) : typeof value === "string";
}

/**
 * A frame: its name and what it says. Nothing of one that only a newer release knows, and `null` for what is none.
 *
 * @param {any} frame
 * @returns {[keyof ServerFrames, any] | [] | null}
 */
export function parse(frame) {
    if (!isOneKey(frame)) return null;
    const [[name, said]] = Object.entries(frame);
    if (!Object.hasOwn(FRAMES, name)) return [];
    const known = /** @type {keyof ServerFrames} */ (name);
    const isWhole = FRAMES[known].split(" ").every(field => {
        const [plain, optional] = field.split("?");
        const value = said?.[plain];
        return value == null ? optional === "" : fits(plain, value);
    });
    return isWhole ? [known, said] : null;
}
