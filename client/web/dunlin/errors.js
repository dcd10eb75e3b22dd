/** What can go wrong, by its code. */

/** Something that was asked or sent has failed. */
export class DunlinError extends Error {
    name = "DunlinError";

    /**
     * `code` is one of the protocol's, or `timedOut`, `ended` or `notLoaded`; after `retryAfter` ms trying again may help, where a gateway has named them.
     *
     * @param {{ kind?: string, code?: string, message?: string, retryAfter?: number | null }} error
     */
    constructor({ kind, code = kind, message = code, retryAfter = null }) {
        super(message);
        this.code = code;
        this.retryAfter = retryAfter;
    }
}

/** What `getToken` throws when nobody is signed in any more: the client ends. */
export class SignedOut extends Error {
    name = "SignedOut";
}

/**
 * Throws where something is not as it has to be.
 *
 * @param {unknown} fits
 * @param {string} words
 * @returns {asserts fits}
 */
export function must(fits, words) {
    if (!fits) throw new TypeError(words);
}

/**
 * What this gives, or nothing where it throws.
 *
 * @template T
 * @param {() => T} act
 */
export function orNothing(act) {
    try {
        return act();
    } catch {
        return undefined;
    }
}
