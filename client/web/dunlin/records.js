/** What is kept, under which names. */

/** @import { EntryFrame } from "./core/words.js" */

import { isAddress } from "./core/address.js";
import { must } from "./errors.js";

/** A name that nobody else has: 80 random bits. */
export const randomName = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => (byte & 31).toString(32)).join("");

let last = 0;

/** A key for something to send, above all those of before. */
export function nextKey() {
    last = Math.max(last + 1, Date.now() * 1_000);
    return last.toString(36).padStart(11, "0") + randomName().slice(8);
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
    must(isAddress(address), `${address} is no address, such as bob, bob@eu or #team`);
    return address;
}
