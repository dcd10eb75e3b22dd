/** Reads what is one object with one key: what this release knows, what it passes over, and what is none. */

/** @import { ServerFrames } from "./types.js" */

/**
 * What has to be there of each frame of a gateway. What it is, the schema says that gateways are made of.
 *
 * @type {Record<keyof ServerFrames, string>}
 */
export const FRAMES = {
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

const NUMBERS = ["seq", "time", "server_time", "ref", "read", "order", "retry_after"];
const LISTS = ["users", "mentions", "attachments"];
/** May be missing. */
const PERHAPS = ["order", "retry_after", "text", "data", "reply_to", "title", "mentions", "attachments"];

/**
 * Whether a field can be what its name says. Of what was sent anything may be said: only who shows it looks into it. Numbers that can't be
 * told from the next one are none.
 *
 * @param {string} field
 * @param {any} value
 */
function isSound(field, value) {
    if (NUMBERS.includes(field)) return Number.isSafeInteger(value) && value >= 0;
    if (LISTS.includes(field)) return Array.isArray(value);
    return value != null && (field === "content" || field === "what" || typeof value === "string");
}

/**
 * Its name and what it says. Nothing of one that only a newer release knows, and `null` for what is none.
 *
 * @template {string} Name
 * @param {any} one
 * @param {Record<Name, string>} needs what has to be there of each that this release knows
 * @returns {[Name, any] | [] | null}
 */
export function parse(one, needs) {
    const [[name, said] = [], ...more] = Object.entries(Object(one));
    if (name === undefined || more.length) return null;
    if (!Object.hasOwn(needs, name)) return [];
    const known = /** @type {Name} */ (name);
    const isWhole = said === Object(said) && needs[known].split(" ").every(field => !field || isSound(field, said[field]));
    return isWhole && PERHAPS.every(field => said[field] == null || isSound(field, said[field])) ? [known, said] : null;
}
