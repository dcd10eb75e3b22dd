/** The way to a gateway: its address, and a WebSocket that carries frames. */

/** @import { Lost } from "./core/words.js" */

import { must } from "./errors.js";

const PROTOCOL = "dunlin.v1.json";

/**
 * What is used of a WebSocket.
 *
 * @typedef {object} WebSocketLike
 * @property {((event: any) => void) | null} onopen
 * @property {((event: { data: any }) => void) | null} onmessage
 * @property {((event: { code?: number, reason?: string }) => void) | null} onclose
 * @property {((event: any) => void) | null} [onerror]
 * @property {(text: string) => void} send
 * @property {(code?: number) => void} close
 */

/** @typedef {(url: string, protocols: string[]) => WebSocketLike} MakeSocket */

/**
 * Where gateways take connections. Throws where a URL can't be one.
 *
 * @param {string | URL | (string | URL)[]} urls
 */
export function gateways(urls) {
    const all = [urls].flat().map(given => {
        const url = new URL(given, globalThis.location?.href);
        url.protocol = url.protocol.replace("http", "ws");
        must(url.protocol.startsWith("ws"), `${given} is none of http, https, ws and wss`);
        url.pathname = url.pathname.replace(/(\/v1\/connect)?\/*$/, "/v1/connect");
        url.hash = "";
        return url.href;
    });
    must(all.length, "url has to name a gateway");
    return all;
}

/**
 * Opens a WebSocket. Its end is told once, and nothing after that.
 *
 * @param {MakeSocket} make
 * @param {string} url
 * @param {{ opened: () => void, frame: (frame: any) => void, lost: (why: Lost) => void }} told
 */
export function openSocket(make, url, told) {
    const socket = make(url, [PROTOCOL]);
    socket.onopen = told.opened;
    socket.onmessage = ({ data }) => {
        let frame;
        try {
            frame = JSON.parse(data);
        } catch {
            // What is no frame is told as none.
        }
        told.frame(frame);
    };
    socket.onerror = () => {};
    socket.onclose = ({ code = null, reason = "" }) => told.lost({ kind: "closed", code, reason });
    return {
        /** @param {object} frame */
        write(frame) {
            try {
                socket.send(JSON.stringify(frame));
            } catch {
                // It is closing: its end is told, and what was not answered is sent again.
            }
        },

        /** Lets go of it, once what was written is gone. */
        close() {
            socket.onopen = socket.onmessage = socket.onclose = null;
            socket.close();
        },
    };
}
