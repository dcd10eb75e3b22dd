/** What becomes of a client whose connection is lost, and of what is refused. */

/** @import { Code, Ended, Goodbye, Lost } from "./words.js" */

/** @typedef {"never" | "later" | "newToken"} Retry */

/**
 * What a client can do about each code; what only another gateway can do, it can't.
 *
 * @type {Record<Code, Retry>}
 */
const RETRY = {
    draining: "later",
    token_expired: "newToken",
    token_revoked: "newToken",
    unauthorized: "never",
    forbidden: "never",
    hello_timeout: "never",
    bad_frame: "never",
    too_large: "never",
    replaced: "never",
    too_many_devices: "later",
    rate_limited: "later",
    elsewhere: "never",
    unavailable: "later",
    unknown_frame: "never",
    unsupported: "never",
    bad_address: "never",
    bad_content: "never",
    too_old: "never",
    from_the_future: "never",
    unknown_outcome: "later",
    region_unreachable: "later",
    unknown_log: "never",
    not_yours: "never",
    not_found: "never",
    bad_cursor: "never",
    bad_id: "never",
    unknown_question: "never",
    bad_question: "never",
    refused: "never",
};

/**
 * What all codes that end a socket with this close code have in common, as one of them; none where that is to try again. Close codes below
 * 4000 a proxy may say as well (RFC 6455, section 7.4.2): they end nothing.
 *
 * @type {Record<number, Code>}
 */
const OF_CLOSE = { 4400: "hello_timeout", 4401: "token_expired", 4403: "forbidden", 4409: "replaced", 4421: "elsewhere" };

/**
 * What a client can do about a code. Of one that it does not know, `retry_after` tells.
 *
 * @param {string} code
 * @param {number | null | undefined} retryAfter
 * @returns {Retry}
 */
export function retry(code, retryAfter) {
    if (Object.hasOwn(RETRY, code)) return RETRY[/** @type {Code} */ (code)];
    return retryAfter == null ? "never" : "later";
}

/**
 * What to do once a connection is lost in this way: to end, or to dial again after a pause of at least `after` ms, or `atOnce` the same
 * gateway. `refused` is what was said of a token that is over.
 *
 * @param {Lost} why
 * @returns {{ end?: Ended, atOnce?: boolean, after: number, refused?: Goodbye }}
 */
export function next(why) {
    switch (why.kind) {
        case "goodbye":
            return ofGoodbye(why.goodbye);
        case "closed": {
            const code = why.code && OF_CLOSE[why.code];
            return code ? ofGoodbye({ code, message: why.reason, retry_after: null }) : { after: 0 };
        }
        case "token":
            return { after: 0, end: why.noMore ? { kind: "noToken" } : undefined };
        case "fellBehind":
        case "slept":
            return { after: 0, atOnce: true };
        default:
            return { after: 0 };
    }
}

/** @param {Goodbye} goodbye */
function ofGoodbye(goodbye) {
    switch (retry(goodbye.code, goodbye.retry_after)) {
        case "never":
            return { after: 0, end: /** @type {Ended} */ ({ kind: "goodbye", goodbye }) };
        case "newToken":
            return { after: 0, refused: goodbye };
        case "later":
            return { after: goodbye.retry_after ?? 0 };
    }
}
