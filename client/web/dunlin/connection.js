/**
 * The connection of the moment: a token, then a socket with it. What the core says of it is decided at once, so that nothing more is heard
 * of one that it let go of, and carried out in its turn.
 */

/** @import { ClientFrame, Lost, Refusal } from "./core/words.js" */
/** @import { MakeSocket } from "./socket.js" */
/** @import { Tokens } from "./token.js" */

import { SignedOut } from "./errors.js";
import { Socket } from "./socket.js";
import { Timer } from "./timer.js";

/** When to try again where no token could be had, at the soonest, in ms. */
const AGAIN = 1_000;

export class Connection {
    /** The dial, or the connection that came of it. @type {{ socket?: Socket } | undefined} */
    #attempt;
    #renewal = new Timer(() => void this.#renew());
    /** How far the gateways' clock is ahead of this machine's. */
    #ahead = 0;

    /**
     * @param {string[]} gateways
     * @param {Tokens} tokens
     * @param {MakeSocket} make
     * @param {{ opened: (token: string) => void, frame: (frame: any) => void, lost: (why: Lost) => void, renewed: () => void,
     *     failed: (why: unknown) => void }} told
     */
    constructor(gateways, tokens, make, told) {
        this.gateways = gateways;
        this.tokens = tokens;
        this.make = make;
        this.told = told;
    }

    /** @param {{ gateway: number, refused: Refusal | null, serverTime: number | null }} wish */
    dial(wish) {
        const attempt = (this.#attempt = {});
        return () => void this.#dial(attempt, wish);
    }

    /** @param {ClientFrame} frame */
    write(frame) {
        const attempt = this.#attempt;
        return () => {
            // A token that is for one device says which.
            if ("hello" in frame && this.tokens.device) frame.hello.device = this.tokens.device;
            attempt?.socket?.write(frame);
        };
    }

    hangUp() {
        const attempt = this.#attempt;
        this.#attempt = undefined;
        this.#renewal.set(null);
        return () => attempt?.socket?.close();
    }

    /**
     * A gateway has welcomed the client, and said what time it is.
     *
     * @param {number} serverTime
     */
    welcomed(serverTime) {
        this.#ahead = serverTime - Date.now();
        this.#schedule(0);
    }

    /**
     * @param {{ socket?: Socket }} attempt
     * @param {{ gateway: number, refused: Refusal | null, serverTime: number | null }} wish
     */
    async #dial(attempt, { gateway, refused, serverTime }) {
        const isOf = () => attempt === this.#attempt;
        /** @param {Lost} why */
        const lost = why => {
            if (!isOf()) return;
            this.hangUp();
            this.told.lost(why);
        };
        if (!isOf()) return;
        try {
            const token = await this.tokens.next(refused?.code, serverTime ?? undefined);
            if (!isOf()) return;
            attempt.socket = new Socket(this.make, this.gateways[gateway], {
                opened: () => isOf() && this.told.opened(token),
                frame: frame => isOf() && this.told.frame(frame),
                lost,
            });
        } catch (error) {
            lost(this.#unable(error));
        }
    }

    /**
     * @param {unknown} error
     * @returns {Lost}
     */
    #unable(error) {
        if (error instanceof SignedOut) return { kind: "token", noMore: true };
        this.told.failed(error);
        return { kind: "token", failed: String(error) };
    }

    /** @param {number} least ms from now */
    #schedule(least) {
        const now = Date.now() + this.#ahead;
        const left = this.tokens.seenAt(now) - now;
        if (left > 0) this.#renewal.set(performance.now() + Math.max(left, least));
    }

    /** Another token in time: then a connection with that one takes the place of this one. */
    async #renew() {
        const attempt = this.#attempt;
        const before = this.tokens.expires;
        try {
            await this.tokens.ask({ reason: "expiring", serverTime: Date.now() + this.#ahead });
        } catch (error) {
            const why = this.#unable(error);
            if (why.kind === "token" && why.noMore && attempt === this.#attempt) this.told.lost(why);
        }
        if (!attempt || attempt !== this.#attempt) return;
        if (this.tokens.expires > before) this.told.renewed();
        else this.#schedule(AGAIN);
    }
}
