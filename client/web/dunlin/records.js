/** What is kept, and what may be sent. */

/** @import { Content, EntryFrame } from "./core/words.js" */

import { parseAddress } from "./core/address.js";

/** Text and data of a message together, in bytes. */
const BODY = 32 * 1024;

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
 * @param {unknown} address
 */
export function checkAddress(address) {
    if (typeof address === "string" && parseAddress(address)) return address;
    throw new TypeError(`${JSON.stringify(address)} is no address, such as bob, bob@eu or #team`);
}

/**
 * Throws where no gateway would take it.
 *
 * @param {Content} content
 */
export function checkContent(content) {
    const { text, data } = /** @type {{ text?: unknown, data?: unknown }} */ (content.message ?? content.edit ?? { text: "-" });
    for (const part of [text, data]) {
        if (part != null && typeof part !== "string") throw new TypeError("text and data of a message are texts, data in base64");
    }
    const size = new TextEncoder().encode(/** @type {string} */ (text ?? "")).length + Math.floor((String(data ?? "").length * 3) / 4);
    if (!size) throw new TypeError("a message needs text or data");
    if (size > BODY) throw new RangeError(`text and data have ${size} bytes together, and ${BODY} is the most`);
}
