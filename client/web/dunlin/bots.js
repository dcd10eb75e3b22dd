/** For programs that process what comes, one entry after the other: imported beside `dunlin.js` by those that are bots. */

/** @import { Client } from "./client.js" */
/** @import { EntryFrame } from "./core/words.js" */

/**
 * Everything that comes to a client with `tabs: "alone"`: each entry counts as processed, and is acknowledged, when the next one is asked
 * for. One that was not comes again, to the next process at the latest.
 *
 * @param {Client} client
 * @returns {AsyncGenerator<EntryFrame, void, void>}
 */
export function entries({ consume, status }) {
    /** @type {{ entry: EntryFrame | undefined, done: () => void }[]} */
    const waiting = [];
    let wake = () => {};
    consume({
        take(entry, done) {
            waiting.push({ entry, done });
            wake();
        },
        waiting: () => waiting.length,
    });
    const stop = status.subscribe(() => wake());
    return (async function* () {
        try {
            while (waiting.length || status.get().state !== "ended") {
                const [next] = waiting;
                if (next?.entry) yield next.entry;
                if (!next) await new Promise(resolve => (wake = () => resolve(undefined)));
                else waiting.shift()?.done();
            }
        } finally {
            stop();
        }
    })();
}
