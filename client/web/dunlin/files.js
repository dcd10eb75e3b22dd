/** Files: what goes with messages. It is loaded when the first one is uploaded or downloaded. */

/** @import { Attachment, UploadPart } from "./frames.js" */

import { isForNow } from "./core/next.js";
import { DunlinError, must } from "./errors.js";

/** Times in a row that a transfer may come to nothing. */
const TRIES = 6;
/** The pause before it is tried again, in ms. */
const PAUSE = 500;
/** ms for which one waits for a store that has no time or no room, and for a file that is looked at. */
const PATIENCE = 600_000;
/** What is said by HTTP of what may be taken later. */
const LATER = [429, 503];
/** Bytes of a file. */
const MOST = 100 * 1024 * 1024;
/** Bytes of a file's name. */
const NAME = 255;

/**
 * @typedef {object} Way how to a gateway
 * @property {(what: any) => Promise<any>} ask
 * @property {string[]} gateways
 */

/** @param {number} ms */
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

/**
 * The SHA-256 of these, one behind the other, in hexadecimal digits.
 *
 * @param {BlobPart[]} parts
 */
async function sha256(...parts) {
    must(globalThis.crypto?.subtle, "files can be uploaded over https and on localhost alone");
    const hash = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
    return [...new Uint8Array(hash)].map(byte => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} text in base64url */
const bytesOf = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));

/**
 * A name as others may be told it: without a path, in one line, not too long.
 *
 * @param {string | undefined} name
 */
export function nameOf(name = "") {
    let short = name.replace(/^.*[/\\]/s, "").replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
    // What is behind the last dot stays.
    const [, end] = /(\.[^.]{1,15})?$/.exec(short) ?? [];
    const most = NAME - new TextEncoder().encode(end ?? "").length;
    let stem = [...short.slice(0, short.length - (end ?? "").length)];
    while (new TextEncoder().encode(stem.join("")).length > most) stem.pop();
    short = stem.join("") + (end ?? "");
    return /^\.{0,2}$/.test(short) ? undefined : short;
}

/**
 * What a gateway names: an address without a host is its own.
 *
 * @param {Way} way
 * @param {string} url
 * @param {number} turn which of the gateways is asked
 */
function at({ gateways }, url, turn) {
    if (!url.startsWith("/")) return url;
    return /** @type {string} */ (gateways[turn % gateways.length]).replace(/^ws/, "http").replace(/\/v1\/connect.*$/s, url);
}

/**
 * Asks again where that may help, for so long.
 *
 * @param {Way} way
 * @param {object} what
 * @param {number} within ms
 * @param {AbortSignal} [signal]
 */
async function ask(way, what, within, signal) {
    for (const until = Date.now() + within; ; ) {
        signal?.throwIfAborted();
        try {
            return await way.ask(what);
        } catch (/** @type {any} */ error) {
            if (!isForNow(error.code, error.retryAfter) || Date.now() > until) throw error;
            await pause(error.retryAfter ?? 1_000);
        }
    }
}

/**
 * Sends bytes. Only an XMLHttpRequest tells how far it is; where there is none, it is told at the end.
 *
 * @param {string} url
 * @param {UploadPart} part
 * @param {Blob} body
 * @param {(sent: number) => void} sent
 * @param {AbortSignal} [signal]
 */
async function put(url, { method, headers }, body, sent, signal) {
    const failed = (/** @type {any} */ why) =>
        new DunlinError({ code: LATER.includes(why) ? "unavailable" : "transfer", message: `a part was not taken: ${why}` });
    if (!globalThis.XMLHttpRequest) {
        const answer = await fetch(url, { method, headers, body, signal: signal ?? null }).catch(error => {
            signal?.throwIfAborted();
            throw failed(error);
        });
        if (!answer.ok) throw failed(answer.status);
        return sent(body.size);
    }
    await new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open(method, url);
        for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
        const abort = () => request.abort();
        signal?.addEventListener("abort", abort);
        request.upload.onprogress = ({ loaded }) => sent(loaded);
        request.onloadend = () => {
            signal?.removeEventListener("abort", abort);
            if (signal?.aborted) reject(signal.reason);
            else if (request.status >= 200 && request.status < 300) resolve(sent(body.size));
            else reject(failed(request.status || "no connection"));
        };
        request.send(body);
    });
}

/**
 * Uploads a file, and gives what a message is to carry. Of an upload that was broken off only what is missing is sent again; what the region
 * has already is not sent at all. Rejects with a DunlinError, or with the signal's reason.
 *
 * @param {Way} way
 * @param {Blob} blob
 * @param {{ name?: string, onProgress?: (share: number) => void, signal?: AbortSignal }} [options]
 * @returns {Promise<Attachment>}
 */
export async function upload(way, blob, { name = /** @type {any} */ (blob).name, onProgress = () => {}, signal } = {}) {
    must(blob.size && blob.size <= MOST, "a file has 1 byte to 100 MiB");
    const is = { size: blob.size, type: blob.type || "application/octet-stream", sha256: await sha256(blob) };
    const until = Date.now() + PATIENCE;
    let media;
    for (let turn = 0, tries = 0; ; turn++) {
        signal?.throwIfAborted();
        try {
            const { upload: begun } = await ask(way, { upload: { ...is, media } }, 20_000, signal);
            media = begun.media;
            let missing = begun.parts.reduce((/** @type {number} */ sum, /** @type {UploadPart} */ { size }) => sum + size, 0);
            for (const part of begun.parts) {
                const body = blob.slice(part.from, part.from + part.size);
                await put(at(way, part.url, turn), part, body, sent => onProgress(1 - (missing - sent) / blob.size), signal);
                missing -= part.size;
                tries = 0;
            }
            const proof = begun.challenge && (await sha256(bytesOf(begun.challenge), blob));
            const { media: is_ } = await ask(way, { upload_done: { media, proof } }, PATIENCE, signal);
            onProgress(1);
            return { ...is_, name: nameOf(name) };
        } catch (/** @type {any} */ error) {
            const { code } = error;
            // It was begun so long ago that it is forgotten; or some of it went missing.
            const isLater = code === "unavailable" && Date.now() < until;
            const mayHelp = isLater || ["transfer", "timedOut"].includes(code)
                || (media && (code === "not_found" || (code === "not_uploaded" && !turn)));
            if (!mayHelp || (!isLater && ++tries === TRIES)) throw error;
            if (code === "not_found") media = undefined;
            await pause(PAUSE * (tries + 1));
        }
    }
}

/**
 * Where a file can be had, for some minutes: what an `img` or a link is given. Rejects with a DunlinError.
 *
 * @param {Way} way
 * @param {string | Attachment} file
 * @param {{ thumbnail?: boolean }} [options]
 */
export async function download(way, file, { thumbnail = false } = {}) {
    const { media, name } = typeof file === "string" ? { media: file, name: undefined } : file;
    const { download: found } = await ask(way, { download: { media, thumbnail, name } }, 10_000);
    return at(way, found.url, 0);
}
