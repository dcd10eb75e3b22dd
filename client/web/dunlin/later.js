/**
 * What is loaded when it is first used, so that a page that does not use it need not wait for it.
 *
 * Many browsers remember which modules could not be had (whatwg/html#6768), and ask for one again under another address alone. What that
 * one imports they may still refuse until the page is loaded again; what is sent until then is kept.
 *
 * A page may be older than what is served when it loads something: what such a module takes from the others changes as what is stored does.
 */

import { DunlinError } from "./errors.js";

/** The pause before a module is asked for again, in ms: it doubles up to `PAUSE_MOST`, after which it is given up. */
const PAUSE_FIRST = 500;
const PAUSE_MOST = 4_000;

/**
 * Loads a module once. Where it can't be had for some seconds all who wait are told so, by a DunlinError, and whoever asks next has it
 * asked for again.
 *
 * @template T
 * @param {() => Promise<T>} load an `import` that names the module, by which bundlers find it
 * @returns {() => Promise<T>}
 */
export function later(load) {
    /** @type {Promise<T> | undefined} */
    let loading;

    async function attempt(pause = PAUSE_FIRST, again = load) {
        try {
            return await again();
        } catch (/** @type {any} */ error) {
            if (pause > PAUSE_MOST) {
                loading = undefined;
                throw new DunlinError({ code: "notLoaded", message: `loading a part of the library: ${error.message}` });
            }
            await new Promise(resolve => setTimeout(resolve, pause));
            const [, address] = /imported module: (\S+)/.exec(error.message) ?? [];
            const other = () => import(/* webpackIgnore: true */ /* @vite-ignore */ `${address}?${Date.now()}`);
            return attempt(pause * 2, address ? other : load);
        }
    }

    return () => (loading ??= attempt());
}
