// What applications import: messages that arrive once and in order, over whatever network there is.

/**
 * @template T
 * @typedef {import("./dunlin/readable.js").Readable<T>} Readable
 */

export { Source } from "./dunlin/readable.js";
