/** Tokens: asked for before the first connection, before one runs out, and after a refusal. */

import { must, orNothing } from "./errors.js";

/**
 * Why a token is asked for. After `refused` it has to be a fresh one. Who signs tokens by a clock goes by `serverTime`: the clock of this
 * machine may be wrong.
 *
 * @typedef {{ reason: "first" | "expiring" | "refused", code?: string, serverTime?: number }} TokenRequest
 */

/** @typedef {(why: TokenRequest) => Promise<string> | string} GetToken */

/** How long before its end a token is replaced, in ms; of one that lives shortly a third of what is left of it. */
const BEFORE = 30_000;

const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * What a token says of itself, which only a gateway verifies.
 *
 * @param {string} token
 * @returns {{ exp?: any, dev?: any }}
 */
const claims = token =>
    Object(orNothing(() => JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")))));

/**
 * The tokens of one client.
 *
 * @param {GetToken} getToken
 */
export function createTokens(getToken) {
    let token = "";
    let renewAt = 0;
    const tokens = {
        /** When the last one ends, by the gateways' clock; 0 where that is not known. */
        expires: 0,
        /**
         * The device that it is for.
         *
         * @type {string | undefined}
         */
        device: undefined,

        /**
         * One for a new connection: the last one while it is good.
         *
         * @param {string | undefined} code with which a gateway has refused the last one
         * @param {number | undefined} serverTime
         */
        next: async (code, serverTime) =>
            !code && (serverTime ?? Date.now()) < renewAt
                ? token
                : tokens.ask({ reason: code ? "refused" : token ? "expiring" : "first", code, serverTime }),

        /** @param {TokenRequest} why */
        async ask(why) {
            const next = await getToken(why);
            // A page of errors, say, would end the client as a token that nobody trusts.
            must(JWT.test(next), "getToken gave no token");
            const { exp, dev } = claims(next);
            token = next;
            tokens.device = dev;
            tokens.expires = exp * 1_000 || 0;
            tokens.seenAt(why.serverTime ?? Date.now());
            return token;
        },

        /**
         * It is `now` by the gateways' clock: says in how many ms the token is to be replaced; below 0 where that is not known.
         *
         * @param {number} now
         */
        seenAt(now) {
            const left = tokens.expires - now;
            const good = left - Math.min(BEFORE, left / 3);
            renewAt = now + good;
            return good;
        },
    };
    return tokens;
}
