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
    /** @type {Set<{told: (value: T) => void}>} */
    #subscribers = new Set();
    /** @type {T | undefined} */
    #value;
    #stale = true;
    #waits = false;
    #read;
    #watched;
    /** @type {(() => void) | undefined} */
    #unwatched;

    /**
     * @param {() => T} read Works the value out; asked only after a change.
     * @param {() => () => void} [watched] Called when somebody subscribes and nobody had; its result when the last one has gone.
     */
    constructor(read, watched) {
        this.#read = read;
        this.#watched = watched;
    }

    // Functions of the object's own, since frameworks call them without it.
    get = () => {
        if (this.#stale) {
            this.#stale = false;
            this.#value = this.#read();
        }
        return /** @type {T} */ (this.#value);
    };

    /** @param {(value: T) => void} told */
    subscribe = (told) => {
        const subscriber = { told };
        this.#subscribers.add(subscriber);
        if (this.#subscribers.size === 1) this.#unwatched = this.#watched?.();
        told(this.get());
        return () => {
            if (this.#subscribers.delete(subscriber) && !this.#subscribers.size) this.#unwatched?.();
        };
    };

    /** Something that `read` depends on has changed. */
    changed() {
        if (!this.#waits && this.#subscribers.size) {
            this.#waits = true;
            const before = this.get();
            queueMicrotask(() => {
                this.#waits = false;
                if (this.get() === before) return;
                // Each in a turn of its own: one that throws keeps nobody else from hearing.
                for (const subscriber of this.#subscribers) {
                    queueMicrotask(() => this.#subscribers.has(subscriber) && subscriber.told(this.get()));
                }
            });
        }
        this.#stale = true;
    }
}
