// What applications import: messages that arrive once and in order, over whatever network there is.

/**
 * @template T
 * @typedef {import("./dunlin/readable.js").Readable<T>} Readable
 */

/** @typedef {import("./dunlin/client.js").Client} Client */
/** @typedef {import("./dunlin/client.js").ConnectOptions} ConnectOptions */
/** @typedef {import("./dunlin/conversation/message.js").Conversation} Conversation */
/** @typedef {import("./dunlin/conversation/message.js").GroupEvent} GroupEvent */
/** @typedef {import("./dunlin/conversation/message.js").Message} Message */
/** @typedef {import("./dunlin/host.js").Status} Status */
/** @typedef {import("./dunlin/store/memory.js").Store} Store */
/** @typedef {import("./dunlin/token.js").TokenRequest} TokenRequest */

export { connect } from "./dunlin/client.js";
export { DunlinError, SignedOut } from "./dunlin/errors.js";
export { Source } from "./dunlin/readable.js";
