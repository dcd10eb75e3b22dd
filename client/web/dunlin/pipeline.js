/** Keeps the order of what is stored and of what is done: an effect follows once what was changed with it, or before it, is stored. */

/** @import { Change } from "./store/memory.js" */

/** @typedef {() => void} Effect must not throw */

/**
 * @param {(changes: Change[]) => Promise<boolean>} write whether it was; where it was not nothing follows any more
 * @param {Effect} [done] called after the effects of each transaction
 */
export function createPipeline(write, done) {
    /** @type {Change[]} */
    let changes = [];
    /** @type {Effect[]} */
    let effects = [];
    let isRunning = false;
    let isOver = false;
    let ran = Promise.resolve();

    /** What changes nothing, and waits for nothing, happens at once; what comes while a transaction is under way shares the next one. */
    async function run() {
        while (effects.length || changes.length) {
            const its = changes;
            const follow = effects;
            changes = [];
            effects = [];
            if (its.length && !(await write(its))) isOver = true;
            for (const effect of follow) if (!isOver) effect();
            if (!isOver) done?.();
        }
        isRunning = false;
    }

    return {
        /** How many effects wait. */
        waiting: () => effects.length,

        /**
         * @param {readonly Change[]} more
         * @param {readonly (Effect | false | void)[]} then
         */
        add(more, then) {
            changes.push(...more);
            for (const effect of then) if (effect) effects.push(effect);
            if (isRunning) return;
            isRunning = true;
            ran = run();
        },

        async idle() {
            while (isRunning) await ran;
        },

        /** What waits is still stored, but nothing follows. */
        stop: () => void (isOver = true),
    };
}
