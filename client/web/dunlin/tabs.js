/** The tabs of one browser that share an account: one of them leads, by a Web Lock, and they talk over a BroadcastChannel. */

/** @import { Command, Told } from "./host.js" */

/** How long a lock is waited for that is about to be released, in ms, such as that of a page that is loaded again. */
const RELEASED_WITHIN = 1_000;

/** @typedef {{ told: Told } | { command: Command } | { signOut: true }} Message */

/** Whether tabs can share anything here: only in secure contexts. */
export const canShare = () => Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel);

/**
 * A name of this tab's own that stays when the page is loaded again. A duplicated tab has a copy of it, and finds it taken.
 *
 * @param {string} account
 * @param {() => string} random
 */
export async function nameOfTab(account, random) {
    const key = `dunlin/${account}`;
    /** @type {Storage | undefined} */
    let storage;
    try {
        storage = globalThis.sessionStorage;
    } catch {
        // Where a page may keep nothing, each one is a new tab.
    }
    const known = storage?.getItem(key);
    if (known && (await take(`${key}/${known}`))) return known;
    const name = random();
    storage?.setItem(key, name);
    await take(`${key}/${name}`);
    return name;
}

/**
 * Takes a lock for as long as this page lives. Whether it could.
 *
 * @param {string} name
 * @returns {Promise<boolean>}
 */
async function take(name) {
    const locks = globalThis.navigator?.locks;
    if (!locks) return true;
    return new Promise(resolve => {
        const signal = AbortSignal.timeout(RELEASED_WITHIN);
        const held = () => new Promise(() => resolve(true));
        locks.request(name, { signal }, held).catch(() => resolve(false));
    });
}

export class Tabs {
    /** @type {BroadcastChannel | undefined} */
    #channel;
    /** @type {(() => void) | undefined} */
    #release;
    /** @type {AbortController | undefined} */
    #waiting;

    /**
     * @param {string} name
     * @param {{ lead: () => void, dropped: () => void, came: (message: Message) => void }} told `dropped`: another tab has taken the lead
     */
    constructor(name, told) {
        this.name = name;
        this.told = told;
    }

    /** From now on this tab hears the others, and leads when its turn comes. */
    join() {
        if (this.#channel) return;
        this.#channel = new BroadcastChannel(this.name);
        this.#channel.onmessage = ({ data }) => this.told.came(data);
        this.#request({ signal: (this.#waiting = new AbortController()).signal });
    }

    /** Takes the lead from a tab that does not answer. */
    steal() {
        if (!this.#channel || this.#release) return;
        this.#waiting?.abort();
        this.#request({ steal: true });
    }

    /** Lets another tab lead. */
    leave() {
        this.#channel?.close();
        this.#channel = undefined;
        this.#waiting?.abort();
        this.#release?.();
        this.#release = undefined;
    }

    /**
     * Does something while no tab leads, not even one that does not hear that it is to leave.
     *
     * @param {() => Promise<void>} act
     */
    async alone(act) {
        const signal = AbortSignal.timeout(RELEASED_WITHIN);
        const { locks } = navigator;
        await locks.request(this.name, { signal }, act).catch(() => locks.request(this.name, { steal: true }, act));
    }

    /** @param {Message} message */
    post(message) {
        this.#channel?.postMessage(message);
    }

    /** @param {LockOptions} options */
    #request(options) {
        const channel = this.#channel;
        const held = () => {
            if (channel !== this.#channel) return;
            this.told.lead();
            return new Promise(release => void (this.#release = () => release(undefined)));
        };
        navigator.locks.request(this.name, options, held).catch(() => {
            // It was stolen, or is not waited for any more.
            if (channel !== this.#channel || !this.#release) return;
            this.leave();
            this.told.dropped();
        });
    }
}
