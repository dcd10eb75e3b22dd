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
 * A frame, or `undefined` where it is none.
 *
 * @param {any} text
 */
function read(text) {
    try {
        return JSON.parse(text);
    } catch {}
}

/** One WebSocket, from the dial to its end, which is told once. */
export class Socket {
    /**
     * @param {MakeSocket} make
     * @param {string} url
     * @param {{ opened: () => void, frame: (frame: any) => void, lost: (why: Lost) => void }} told
     */
    constructor(make, url, told) {
        /** @type {typeof told | undefined} */
        this.told = told;
        this.socket = make(url, [PROTOCOL]);
        this.socket.onopen = () => this.told?.opened();
        this.socket.onmessage = ({ data }) => this.told?.frame(read(data));
        this.socket.onerror = () => {};
        // 1005 and 1006 are the browser's own: nothing was said.
        this.socket.onclose = ({ code, reason }) =>
            this.lost(code && code !== 1006 && code !== 1005 ? { kind: "closed", code, reason: reason ?? "" } : { kind: "socket" });
    }

    /** @param {Lost} why */
    lost(why) {
        const { told } = this;
        this.close();
        told?.lost(why);
    }

    /** @param {object} frame */
    write(frame) {
        try {
            this.socket.send(JSON.stringify(frame));
        } catch {
            // It is closing: its end is told, and what was not answered is sent again.
        }
    }

    /** Lets go of it, once what was written is gone. Nothing more is told. */
    close() {
        this.told = undefined;
        this.socket.close();
    }
}
