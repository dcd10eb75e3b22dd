/** What shows the pictures of messages: until they are there, their ThumbHash (https://evanw.github.io/thumbhash). */

/** @import { Attachment } from "./frames.js" */

import { isForNow } from "./core/next.js";

/** ms until a picture that can't be had now is asked for again. */
const PAUSE = 2_000;

/** The sides of a blur, in pixels. It is to be stretched over the picture's place. */
const SIDE = 32;

/** How high each wave is at each pixel: there are up to six. */
const COSINES = Array.from({ length: 7 }, (_, waves) =>
    Array.from({ length: SIDE }, (_, at) => Math.cos((Math.PI * waves * (at + 0.5)) / SIDE)));
const cosine = (/** @type {number} */ waves, /** @type {number} */ at) => COSINES[waves]?.[at] ?? 0;

/**
 * Has an `img` show a file, or the small picture of it. Gateways and networks come and go, and addresses are for some minutes: it is asked
 * for until it is shown, can't be had at all, or the image is in no document any more.
 *
 * @param {HTMLImageElement} image
 * @param {{ download: (file: Attachment, options?: { thumbnail?: boolean }) => Promise<string> }} client
 * @param {Attachment} file
 * @param {{ thumbnail?: boolean }} [options]
 */
export async function showPicture(image, client, file, options) {
    do {
        try {
            image.src = await client.download(file, options);
            return await image.decode();
        } catch (/** @type {any} */ error) {
            if (error.code && error.code !== "timedOut" && !isForNow(error.code, error.retryAfter)) return;
        }
        await new Promise(resolve => setTimeout(resolve, PAUSE));
    } while (image.isConnected);
}

/**
 * Draws the `blur` of an attachment.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} blur
 */
export function drawBlur(canvas, blur) {
    canvas.width = canvas.height = SIDE;
    canvas.getContext("2d")?.putImageData(new ImageData(blurred(blur), SIDE), 0, 0);
}

/**
 * The pixels of a blur, row by row, each as its red, green, blue and alpha: what an `ImageData` is made of. Of a text that is no ThumbHash
 * they mean nothing.
 *
 * @param {string} blur
 */
export function blurred(blur) {
    const hash = Uint8Array.from(atob(blur), sign => sign.charCodeAt(0));
    let at = 0;
    /** The next bits, from the lowest on. @param {number} count */
    const bits = count => {
        let value = 0;
        for (let bit = 0; bit < count; bit++, at++) value |= (((hash[at >> 3] ?? 0) >> (at & 7)) & 1) << bit;
        return value;
    };
    const [light, yellow, red] = [bits(6) / 63, bits(6) / 31.5 - 1, bits(6) / 31.5 - 1];
    const lightScale = bits(5) / 31;
    const hasAlpha = bits(1);
    const short = Math.max(3, bits(3));
    const [yellowScale, redScale] = [(bits(6) / 63) * 1.25, (bits(6) / 63) * 1.25];
    const long = hasAlpha ? 5 : 7;
    const [across, down] = bits(1) ? [long, short] : [short, long];
    const [alpha, alphaScale] = hasAlpha ? [bits(4) / 15, bits(4) / 15] : [1, 0];

    /**
     * A channel: its mean, and the waves that come next, so many in each direction.
     *
     * @param {number} mean
     * @param {number} scale
     * @param {number} across
     * @param {number} down
     */
    const channel = (mean, scale, across, down) => {
        /** @type {{ x: number, y: number, height: number }[]} */
        const waves = [];
        for (let y = 0; y < down; y++) {
            for (let x = y ? 0 : 1; x * down < across * (down - y); x++) waves.push({ x, y, height: (bits(4) / 7.5 - 1) * scale * 2 });
        }
        return (/** @type {number} */ column, /** @type {number} */ row) =>
            waves.reduce((sum, { x, y, height }) => sum + height * cosine(x, column) * cosine(y, row), mean);
    };
    const lights = channel(light, lightScale, across, down);
    const yellows = channel(yellow, yellowScale, 3, 3);
    const reds = channel(red, redScale, 3, 3);
    const alphas = hasAlpha ? channel(alpha, alphaScale, 5, 5) : () => 1;

    const pixels = new Uint8ClampedArray(4 * SIDE * SIDE);
    for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
        const [l, p, q, a] = /** @type {[number, number, number, number]} */ (
            [lights, yellows, reds, alphas].map(channel => channel(pixel % SIDE, Math.floor(pixel / SIDE)))
        );
        const b = l - (2 * p) / 3;
        const r = (3 * l - b + q) / 2;
        pixels.set([r, r - q, b, a].map(share => 255 * share), 4 * pixel);
    }
    return pixels;
}
