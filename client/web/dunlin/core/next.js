/** What becomes of a client whose connection is lost, and of what is refused. */

/** @import { Code, Ended, Goodbye, Lost } from "./words.js" */

/**
 * Codes after which the same again may help. A page that a browser held up says its `hello` too late, and says it in time the next time.
 *
 * @type {string[]}
 */
const LATER = ["hello_timeout", "draining", "too_many_devices", "rate_limited", "unavailable", "unknown_outcome", "region_unreachable"];
/**
 * Those of a token that is over.
 *
 * @type {string[]}
 */
const NEW_TOKEN = ["token_expired", "token_revoked"];

/**
 * What all codes that end a socket with this close code have in common, as one of them; none where that is to try again. Close codes below
 * 4000 a proxy may say as well (RFC 6455, section 7.4.2): they end nothing.
 *
 * @type {Record<number, Code>}
 */
const OF_CLOSE = { 4401: "token_expired", 4403: "forbidden", 4409: "replaced", 4421: "elsewhere" };

/**
 * Whether the same again may help. Of a code that is not known `retry_after` tells: gateways name none where trying again can't help.
 *
 * @param {string} code
 * @param {number | null | undefined} after
 */
export const isForNow = (code, after) => LATER.includes(code) || after != null;

/**
 * What to do once a connection is lost in this way: to end, or to dial again after a pause of at least `after` ms, or `atOnce` the same
 * gateway. `refused` is what was said of a token that is over, now or the last time.
 *
 * @param {Lost} why
 * @param {Goodbye | null} refused
 * @returns {{ end?: Ended, atOnce?: boolean, after?: number, refused?: Goodbye | null }}
 */
export function next(why, refused) {
    const { kind, goodbye: said, code: closed, reason: message, noMore } = /** @type {any} */ (why);
    const goodbye = said ?? { code: OF_CLOSE[closed], message };
    const { code, retry_after: after } = goodbye;
    if (code) {
        if (NEW_TOKEN.includes(code)) return { refused: goodbye };
        return isForNow(code, after) ? { refused, after: after ?? 0 } : { end: { kind: "goodbye", goodbye } };
    }
    if (noMore) return { end: refused ? { kind: "goodbye", goodbye: refused } : { kind: "noToken" } };
    return { refused, atOnce: kind === "fellBehind" || kind === "slept" };
}
