/** The way to a gateway: its address, and a WebSocket. */

import { must } from "./errors.js";

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
        must(url.protocol.startsWith("ws"), `${given} is neither http nor ws`);
        url.pathname = url.pathname.replace(/(\/v1\/connect)?\/*$/, "/v1/connect");
        url.hash = "";
        return url.href;
    });
    must(all.length, "url names no gateway");
    return all;
}
