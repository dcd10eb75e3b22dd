/** What the tabs want to see: people, and frames. */

/** @import { Told } from "./host.js" */

/** People whom one connection watches. */
const MOST = 200;

export class Wants {
    /** @type {Map<string, { users: string[], frames: boolean }>} */
    #tabs = new Map();
    #watched = "";
    /** Whether the gateway was told whom. */
    isTold = true;
    /** How they are. @type {Map<string, Told>} */
    presences = new Map();

    /**
     * @param {string} tab
     * @param {string[]} users
     * @param {boolean} frames
     */
    set(tab, users, frames) {
        this.#tabs.set(tab, { users, frames });
    }

    get frames() {
        return [...this.#tabs.values()].some(({ frames }) => frames);
    }

    /** There is a core that knows nothing. */
    begin() {
        this.isTold = !this.#watched;
    }

    /** Whom to watch from now on; `undefined` where that is as before. */
    take() {
        const users = [...new Set([...this.#tabs.values()].flatMap(({ users }) => users))].sort().slice(0, MOST);
        const watched = users.join();
        if (watched === this.#watched && this.isTold) return;
        for (const user of this.presences.keys()) if (!users.includes(user)) this.presences.delete(user);
        this.#watched = watched;
        this.isTold = true;
        return users;
    }
}
