/** The tabs of one browser that share an account: one of them leads, by a Web Lock, and they talk over a BroadcastChannel. */

/** @import { Command, Told } from "./host.js" */

import { orNothing } from "./errors.js";

/** How long a lock is waited for that is about to be released, in ms, such as that of a page that is loaded again. */
const RELEASED_WITHIN = 1_000;

/** @typedef {{ told?: Told, reign?: number, command?: Command, signOut?: true }} Message one of them; `reign`: whose word it is */

const locks = () => globalThis.navigator?.locks;

/** Whether tabs can share anything here: only in secure contexts. */
export const canShare = () => !!(locks() && globalThis.BroadcastChannel);

/**
 * Takes a lock for as long as this page lives. Whether it could.
 *
 * @param {string} name
 * @returns {Promise<boolean>}
 */
const take = name =>
    new Promise(resolve => {
        if (!locks()) return resolve(true);
        const signal = AbortSignal.timeout(RELEASED_WITHIN);
        /** @param {Lock | null} lock */
        const held = lock => (lock ? new Promise(() => resolve(true)) : resolve(false));
        // A page that was busy, or frozen, may have had its turn.
        const again = () => locks().request(name, { ifAvailable: true }, held);
        locks().request(name, { signal }, held).catch(again).catch(() => resolve(false));
    });

/**
 * A name of this tab's own that stays when the page is loaded again. A duplicated tab has a copy of it, and finds it taken.
 *
 * @param {string} prefix
 * @param {string} random
 */
export async function nameOfTab(prefix, random) {
    // Where a page may keep nothing, each one is a new tab.
    const storage = orNothing(() => globalThis.sessionStorage);
    const known = storage?.getItem(prefix);
    if (known && (await take(known))) return known;
    const name = `${prefix}/${random}`;
    storage?.setItem(prefix, name);
    await take(name);
    return name;
}

/**
 * @param {string} name
 * @param {() => void} lead called when this tab's turn comes
 * @param {() => void} dropped another tab has taken the lead
 * @param {(message: Message) => void} came
 */
export function createTabs(name, lead, dropped, came) {
    /** @type {BroadcastChannel | undefined} */
    let channel;
    let release = () => {};
    let waiting = new AbortController();

    /** @param {LockOptions} options */
    function request(options) {
        const its = channel;
        let isHeld = false;
        const held = () => {
            if (its !== channel) return;
            isHeld = true;
            lead();
            return new Promise(resolve => void (release = () => resolve(0)));
        };
        locks().request(name, options, held).catch(error => {
            if (its !== channel) return;
            // Where a page may have no locks, it is alone.
            if (error.name !== "AbortError") return lead();
            // Another one is not waited for any more.
            if (!isHeld) return;
            wait();
            dropped();
        });
    }

    function wait() {
        waiting = new AbortController();
        request({ signal: waiting.signal });
    }

    return {
        /** From now on this tab hears the others, and leads when its turn comes. */
        join() {
            channel = new BroadcastChannel(name);
            channel.onmessage = ({ data }) => came(data);
            wait();
        },

        /** Lets another tab lead. */
        leave() {
            channel?.close();
            channel = undefined;
            waiting.abort();
            release();
        },

        /** Takes the lead from a tab that does not answer. */
        steal() {
            waiting.abort();
            request({ steal: true });
        },

        /** @param {Message} message */
        post: message => channel?.postMessage(message),

        /**
         * Does something while no tab leads, not even one that does not hear that it is to leave.
         *
         * @param {() => Promise<void>} act
         */
        async alone(act) {
            const signal = AbortSignal.timeout(RELEASED_WITHIN);
            await locks().request(name, { signal }, act).catch(() => locks().request(name, { steal: true }, act));
        },
    };
}
