// What changes with time and can be read at any moment. It fits React's `useSyncExternalStore` and Svelte's stores without knowing them.

/**
 * @template T
 * @typedef {object} Readable
 * @property {() => T} get What it is now: the same object for as long as nothing has changed.
 * @property {(told: (value: T) => void) => () => void} subscribe Tells the value at once, and again after each change; stops when its
 *   result is called. Changes within one turn of the event loop are told together.
 */

/**
 * A `Readable` for whoever knows when it changes.
 * @template T
 * @implements {Readable<T>}
 */
export class Source {
    /**
     * @param {() => T} read Works the value out; asked only after a change.
     * @param {() => () => void} [watched] Called when somebody subscribes and nobody had; its result when the last one has gone.
     */
    constructor(read, watched) {
        /** @type {Set<{ told: (value: T) => void }>} */
        const subscribers = new Set();
        /** @type {T} */
        let value;
        let stale = true;
        let waits = false;
        /** @type {(() => void) | undefined} */
        let unwatched;

        // Functions of the object's own, since frameworks call them without it.
        const get = (this.get = () => {
            if (stale) value = read();
            stale = false;
            return value;
        });

        /** @param {(value: T) => void} told */
        this.subscribe = told => {
            const subscriber = { told };
            if (subscribers.add(subscriber).size === 1) unwatched = watched?.();
            told(get());
            return () => {
                if (subscribers.delete(subscriber) && !subscribers.size) unwatched?.();
            };
        };

        /** Something that `read` depends on has changed. */
        this.changed = () => {
            if (subscribers.size && !waits) {
                const before = get();
                waits = true;
                queueMicrotask(() => {
                    waits = false;
                    if (get() === before) return;
                    // Each in a turn of its own: one that throws keeps nobody else from hearing.
                    for (const subscriber of subscribers) {
                        queueMicrotask(() => subscribers.has(subscriber) && subscriber.told(get()));
                    }
                });
            }
            stale = true;
        };
    }
}
