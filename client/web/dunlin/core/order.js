/** In what order things are gone through: the same one always, whatever came first. */

import { parseAddress } from "./address.js";

/** @typedef {(one: string, other: string) => number} Order */

/**
 * What an address, or a log, is sorted by: the mailbox, then people, then groups, each by name and then by region, then what only a newer
 * release knows.
 *
 * @param {string} text
 */
function rank(text) {
    if (text === "mailbox") return "";
    return parseAddress(text) ? text.replace("#", "~").replace("@", "\0") : "\x7f" + text;
}

/** @type {Order} */
export const byId = (one, other) => (one < other ? -1 : 1);

/** @type {Order} */
export const byAddress = (one, other) => byId(rank(one), rank(other));

/**
 * The first key of a map that has some.
 *
 * @param {Map<string, unknown>} map
 * @param {Order} order
 */
export const first = (map, order) => [...map.keys()].reduce((one, other) => (order(one, other) < 0 ? one : other));

/**
 * The earliest of some times; `Infinity` of none.
 *
 * @param {number[]} times
 */
export const earliest = times => times.reduce((one, other) => Math.min(one, other), Infinity);
