/** Tokens: asked for before the first connection, before one runs out, and after a refusal. */

/**
 * Why a token is asked for. After `refused` it has to be a fresh one. Who signs tokens by a clock goes by `serverTime`: the clock of this
 * machine may be wrong.
 *
 * @typedef {{ reason: "first" | "expiring" | "refused", code?: string, serverTime?: number }} TokenRequest
 */

/** How long before its end a token is replaced, in ms; of one that lives shortly a third of what is left of it. */
const BEFORE = 30_000;

/**
 * What a token says of itself, which only a gateway verifies.
 *
 * @param {string} token
 * @returns {{ exp?: unknown, dev?: unknown }}
 */
function claims(token) {
    try {
        const payload = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
        return Object(JSON.parse(payload));
    } catch {
        return {};
    }
}

/** The tokens of one client. */
export class Tokens {
    /** @param {(why: TokenRequest) => Promise<string> | string} getToken */
    constructor(getToken) {
        this.getToken = getToken;
        this.token = "";
        /** When the token ends, by the gateways' clock, and when it is to be replaced; 0 where that is not known. */
        this.expires = this.renewAt = 0;
        /**
         * The device that the token is for.
         *
         * @type {string | undefined}
         */
        this.device = undefined;
    }

    /**
     * A token for a new connection: the last one while it is good.
     *
     * @param {string | undefined} refused the code with which a gateway has refused the last one
     * @param {number | undefined} serverTime
     */
    async next(refused, serverTime) {
        if (!refused && (serverTime ?? Date.now()) < this.renewAt) return this.token;
        const reason = refused ? "refused" : this.token ? "expiring" : "first";
        return this.ask({ reason, ...(refused && { code: refused }), ...(serverTime !== undefined && { serverTime }) });
    }

    /** @param {TokenRequest} why */
    async ask(why) {
        const token = await this.getToken(why);
        if (typeof token !== "string" || !token) throw new TypeError("getToken has to give a text: the token");
        const { exp, dev } = claims(token);
        this.token = token;
        this.device = typeof dev === "string" ? dev : undefined;
        this.expires = typeof exp === "number" ? exp * 1_000 : 0;
        this.seenAt(why.serverTime ?? Date.now());
        return token;
    }

    /**
     * It is `now` by the gateways' clock: says when the token is to be replaced.
     *
     * @param {number} now
     */
    seenAt(now) {
        const left = this.expires - now;
        this.renewAt = left > 0 ? this.expires - Math.min(BEFORE, left / 3) : 0;
        return this.renewAt;
    }
}
