/** The way to a gateway: its address, and a WebSocket that carries frames. */

/** @import { Lost } from "./core/words.js" */

const PROTOCOL = "dunlin.v1.json";
const SCHEMES = /** @type {Record<string, string>} */ ({ "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" });

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
        /** @type {URL} */
        let url;
        try {
            url = new URL(given, globalThis.location?.href);
        } catch {
            throw new TypeError(`${JSON.stringify(given)} can't be a gateway: it is no URL, such as https://chat.example.com`);
        }
        const scheme = SCHEMES[url.protocol];
        if (!scheme) throw new TypeError(`${JSON.stringify(given)} can't be a gateway: it begins with none of http, https, ws and wss`);
        const path = url.pathname.replace(/\/+$/, "").replace(/\/v1\/connect$/, "");
        return `${scheme}//${url.host}${path}/v1/connect${url.search}`;
    });
    if (!all.length) throw new TypeError("connect needs the URL of at least one gateway");
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
    // 1005 and 1006 are the browser's own: nothing was said.
    socket.onclose = ({ code = 1006, reason = "" }) =>
        told.lost(code === 1005 || code === 1006 ? { kind: "socket" } : { kind: "closed", code, reason });
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
