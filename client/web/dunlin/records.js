/** What is kept, under which names. */

/** @import { EntryFrame } from "./core/words.js" */

import { isAddress } from "./core/address.js";
import { must } from "./errors.js";

/** A name that nobody else has: 128 random bits. */
export const randomName = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

let last = 0;

/** A key for something to send, above all those of before. */
export function nextKey() {
    last = Math.max(last + 1, Date.now() * 1_000);
    return `${last}-${randomName()}`;
}

/**
 * With whom the user says something, or hears it.
 *
 * @param {EntryFrame} entry
 * @param {string | undefined} user
 */
export function peerOf({ log, from, to, content }, user) {
    const failed = /** @type {{ to?: string } | undefined} */ (content.failed);
    if (log !== "mailbox") return log;
    return failed?.to ?? (from === user ? to : from);
}

/**
 * Under what an entry is kept: ids rise with time, and one id of two people is two messages.
 *
 * @param {string} peer
 * @param {string} id
 * @param {string} from
 */
export const entryKey = (peer, id, from) => `${peer}/${id}/${from}`;

/**
 * Throws where this can't be an address.
 *
 * @param {string} address
 */
export function checkAddress(address) {
    must(isAddress(address), `${address} is no address`);
    return address;
}
