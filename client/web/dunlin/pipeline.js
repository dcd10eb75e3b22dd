/** Keeps the order of what is stored and of what is done: an effect follows once what was changed with it, or before it, is stored. */

/** @import { Change } from "./store/memory.js" */

/** @typedef {() => void} Effect must not throw */

export class Pipeline {
    /** @type {Change[]} */
    #changes = [];
    /** @type {Effect[]} */
    #effects = [];
    #isRunning = false;
    #isOver = false;
    #ran = Promise.resolve();

    /**
     * @param {(changes: Change[]) => Promise<void>} write
     * @param {Effect} done called after the effects of each transaction
     */
    constructor(write, done) {
        this.write = write;
        this.done = done;
    }

    /** How many effects wait. */
    get waiting() {
        return this.#effects.length;
    }

    /**
     * @param {readonly Change[]} changes
     * @param {readonly (Effect | void)[]} effects
     */
    add(changes, effects) {
        this.#changes.push(...changes);
        for (const effect of effects) if (effect) this.#effects.push(effect);
        if (this.#isRunning) return;
        this.#isRunning = true;
        this.#ran = this.#run();
    }

    /** What changes nothing, and waits for nothing, happens at once; what comes while a transaction is under way shares the next one. */
    async #run() {
        while (this.#effects.length || this.#changes.length) {
            const changes = this.#changes.splice(0);
            const effects = this.#effects.splice(0);
            if (changes.length) await this.write(changes);
            for (const effect of effects) if (!this.#isOver) effect();
            this.done();
        }
        this.#isRunning = false;
    }

    async idle() {
        while (this.#isRunning) await this.#ran;
    }

    /** What waits is still stored, but nothing follows. */
    stop() {
        this.#isOver = true;
    }
}
