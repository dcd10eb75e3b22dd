/** What can go wrong, by its code. */

/** @type {Record<string, string>} */
const WORDS = {
    timedOut: "no answer came in time",
    ended: "the client is over",
    newer: "only a newer release knows the answer",
};

/** Something that was asked or sent has failed. */
export class DunlinError extends Error {
    name = "DunlinError";

    /**
     * @param {string} code one of the protocol's, or `timedOut`, `ended` or `newer`
     * @param {string} message
     * @param {number | null} [retryAfter] ms after which trying again may help, where a gateway has named them
     */
    constructor(code, message, retryAfter = null) {
        super(message);
        this.code = code;
        this.retryAfter = retryAfter;
    }

    /** @param {{ kind: string, code?: string, message?: string, retryAfter?: number | null }} error */
    static of({ kind, code = kind, message = WORDS[code] ?? code, retryAfter }) {
        return new DunlinError(code, message, retryAfter);
    }
}

/** What `getToken` throws when nobody is signed in any more: the client ends. */
export class SignedOut extends Error {
    name = "SignedOut";
}
