/**
 * The connection of the moment: a token, then a socket with it. What the core says of it is decided at once, so that nothing more is heard
 * of one that it let go of; what is returned carries it out, in its turn.
 */

/** @import { ClientFrame, Input, Lost, Refusal } from "./core/words.js" */
/** @import { MakeSocket, WebSocketLike } from "./socket.js" */
/** @import { createTokens } from "./token.js" */

import { orNothing, SignedOut } from "./errors.js";
import { createTimer } from "./timer.js";

const PROTOCOL = "dunlin.v1.json";
/** When to try again where no token could be had, at the soonest, in ms. */
const AGAIN = 1_000;

/** @typedef {{ socket?: WebSocketLike }} Attempt a dial, and the connection that comes of it */

/**
 * @param {string[]} gateways
 * @param {ReturnType<typeof createTokens>} tokens
 * @param {MakeSocket} make
 * @param {(input: Input) => void} handle
 * @param {() => void} renewed there is another token, which is not used yet
 * @param {(why: unknown) => void} failed there was no token, or no socket
 */
export function createConnection(gateways, tokens, make, handle, renewed, failed) {
    /** @type {Attempt | undefined} */
    let attempt;
    /** How far the gateways' clock is ahead of this machine's. */
    let ahead = 0;
    const setRenewal = createTimer(() => void renew());

    /** @param {ClientFrame} frame */
    function write(frame) {
        const own = attempt;
        return () => {
            // A token that is for one device says which.
            if ("hello" in frame && tokens.device) frame.hello.device = tokens.device;
            own?.socket?.send(JSON.stringify(frame));
        };
    }

    function hangUp() {
        const own = attempt;
        attempt = undefined;
        setRenewal(null);
        return () => own?.socket?.close();
    }

    /** @param {{ gateway: number, refused: Refusal | null, serverTime: number | null }} wish */
    function dial({ gateway, refused, serverTime }) {
        /** @type {Attempt} */
        const own = (attempt = {});
        /** @param {(what: any) => void} tell */
        const whileOwn = tell => (/** @type {any} */ what) => void (own === attempt && tell(what));
        const lost = whileOwn(why => {
            hangUp()();
            handle({ kind: "lost", why });
        });
        return async () => {
            if (own !== attempt) return;
            let token = "";
            try {
                token = await tokens.next(refused?.code, serverTime ?? undefined);
                if (own !== attempt) return;
                const socket = (own.socket = make(gateways[gateway], [PROTOCOL]));
                socket.onopen = whileOwn(() => handle({ kind: "opened", token }));
                socket.onmessage = whileOwn(({ data }) => handle({ kind: "frame", frame: orNothing(() => JSON.parse(data)) }));
                socket.onclose = ({ code = null, reason = "" }) => lost({ kind: "closed", code, reason });
                socket.onerror = () => {};
            } catch (error) {
                const why = unable(error);
                lost(token ? { kind: "socket" } : why);
            }
        };
    }

    /**
     * @param {unknown} error
     * @returns {Lost}
     */
    function unable(error) {
        if (error instanceof SignedOut) return { kind: "token", noMore: true };
        failed(error);
        return { kind: "token", failed: String(error) };
    }

    /** @param {number} least ms from now */
    function schedule(least) {
        const left = tokens.seenAt(Date.now() + ahead);
        if (left > 0) setRenewal(performance.now() + Math.max(left, least));
    }

    /** Another token in time: then a connection with that one takes the place of this one. */
    async function renew() {
        const own = attempt;
        const before = tokens.expires;
        try {
            await tokens.ask({ reason: "expiring", serverTime: Date.now() + ahead });
        } catch (error) {
            const why = unable(error);
            if (own === attempt && "noMore" in why) handle({ kind: "lost", why });
        }
        if (!own || own !== attempt) return;
        if (tokens.expires > before) renewed();
        else schedule(AGAIN);
    }

    return {
        dial,
        write,
        hangUp,
        /**
         * A gateway has welcomed the client, and said what time it is.
         *
         * @param {number} serverTime
         */
        welcomed(serverTime) {
            ahead = serverTime - Date.now();
            schedule(0);
        },
    };
}
