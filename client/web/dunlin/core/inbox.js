/** What comes: which entries were given already, and where to resume. */

import { isLog } from "./address.js";
import { CURSORS, REMEMBERED } from "./limits.js";
import { byAddress } from "./order.js";

/** @import { Acknowledged, EntryFrame, Progress } from "./words.js" */

const NOTHING = { gaps: 0, seq: 0 };

/** What a client has been given so far, log by log. */
export class Inbox {
    /**
     * An inbox that goes on after what was kept of each log; the mailbox else where `start` says.
     *
     * @param {Record<string, string>} cursors
     * @param {string | null} start
     */
    constructor(cursors, start) {
        /** @type {Map<string, LogInbox>} */
        this.logs = new Map();
        this.start = start;
        for (const [name, cursor] of Object.entries(cursors)) this.log(name).resume = cursor;
    }

    /**
     * Where each log goes on: as many as a `hello` may name, the mailbox among them. The gateway knows of the others what this device has
     * acknowledged.
     */
    resume() {
        const given = this.sorted().flatMap(log => (log.resume === null ? [] : [[log.name, log.resume]]));
        const resume = Object.fromEntries(given.slice(0, CURSORS - 1));
        if (this.start) resume.mailbox ??= this.start;
        return resume;
    }

    /**
     * There is a new connection: a gap may come first, so that sequences of before mean nothing yet. Over each connection it is
     * acknowledged once what is stored, by which the user's other devices see when this one was last there.
     */
    connected() {
        for (const log of this.logs.values()) {
            log.resumed = false;
            log.acknowledged = NOTHING;
        }
    }

    /**
     * Where to put an entry, and whether to give it. `null`: the same sequence was given. Not given, but passed with the cursor, is what
     * was given under another sequence, or of a log that only a newer release knows.
     *
     * @param {EntryFrame} entry
     */
    entry({ log: name, seq, cursor, from, to, id }) {
        const log = this.came(name);
        if (seq <= log.last) return null;
        log.last = seq;
        log.resume = cursor;
        // One id sent to two people is two messages.
        return log.place(log.remember(JSON.stringify([from, to, id])));
    }

    /**
     * After a gap sequences of the log may begin again.
     *
     * @param {string} name
     * @param {string} cursor
     */
    gap(name, cursor) {
        this.log(name).gaps += 1;
        return this.caughtUp(name, 0, cursor);
    }

    /**
     * @param {string} name
     * @param {number} seq
     * @param {string} cursor
     */
    caughtUp(name, seq, cursor) {
        const log = this.came(name);
        log.last = seq;
        log.resume = cursor;
        return log.place(true);
    }

    /**
     * The application has stored what was given of each log up to here.
     *
     * @param {Record<string, Acknowledged>} done
     */
    done(done) {
        for (const [name, { gaps, seq }] of Object.entries(done)) this.log(name).done = { gaps, seq };
    }

    /**
     * What is to be acknowledged and was not yet.
     *
     * @param {(log: string, delivered: number) => void} tell
     */
    acknowledge(tell) {
        for (const log of this.sorted()) {
            const { done, acknowledged } = log;
            const isNews = done.gaps !== acknowledged.gaps || done.seq !== acknowledged.seq;
            if (log.resumed && isNews && done.gaps === log.gaps && done.seq > 0) {
                log.acknowledged = done;
                tell(log.name, done.seq);
            }
        }
    }

    /** @param {string} name */
    log(name) {
        const log = this.logs.get(name) ?? new LogInbox(name);
        this.logs.set(name, log);
        return log;
    }

    /**
     * A log of which something came.
     *
     * @param {string} name
     */
    came(name) {
        const log = this.log(name);
        log.resumed = true;
        return log;
    }

    sorted() {
        return [...this.logs.values()].sort((one, other) => byAddress(one.name, other.name));
    }
}

/** What was given of one log. */
class LogInbox {
    /** @param {string} name */
    constructor(name) {
        this.name = name;
        /**
         * Where the next connection goes on: after what was given, not only after what is done.
         *
         * @type {string | null}
         */
        this.resume = null;
        this.last = 0;
        this.given = 0;
        this.gaps = 0;
        /** Whether this connection has shown behind how many gaps its sequences are. */
        this.resumed = false;
        this.done = this.acknowledged = NOTHING;
        /** @type {Set<string>} */
        this.ids = new Set();
    }

    /**
     * The place of what came last, and whether it is given.
     *
     * @param {boolean} isNew
     * @returns {{ isGiven: boolean, place: Progress }}
     */
    place(isNew) {
        const isGiven = isNew && isLog(this.name);
        if (isGiven) this.given += 1;
        const { name: log, given: ordinal, gaps, last: seq, resume } = this;
        return { isGiven, place: { log, ordinal, gaps, seq, cursor: /** @type {string} */ (resume) } };
    }

    /**
     * Whether the id is new among the last ones.
     *
     * @param {string} id
     */
    remember(id) {
        if (this.ids.has(id)) return false;
        this.ids.add(id);
        if (this.ids.size > REMEMBERED) {
            const [oldest] = this.ids;
            this.ids.delete(oldest);
        }
        return true;
    }
}
