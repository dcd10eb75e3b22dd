/** What comes: which entries were given already, and where to resume. */

import { isLog } from "./address.js";
import { forgetOldest, under } from "./bounds.js";

/** @import { ServerFrames } from "./types.js" */
/** @import { Acknowledged, EntryFrame, Output } from "./words.js" */

/** Logs that one `hello` may name. */
const CURSORS = 512;
/** Ids that are remembered, to drop repeats. */
const REMEMBERED = 1_024;

/**
 * What was given of one log.
 *
 * @typedef {object} Log
 * @property {string | null} [resume] Where the next connection goes on: after what was given, not only after what is done.
 * @property {number} last
 * @property {number} gaps
 * @property {boolean} resumed Whether this connection has shown behind how many gaps its sequences are.
 * @property {Acknowledged} done
 * @property {number} acknowledged Up to where over this connection, since its last gap.
 * @property {Set<string>} ids
 */

/**
 * What a client has been given so far, log by log: it goes on after what was kept of each log; the mailbox else where `start` says.
 *
 * @param {Record<string, string>} cursors
 * @param {string | null} start
 * @param {(output: Output) => void} say
 */
export function createInbox(cursors, start, say) {
    /** @type {Map<string, Log>} */
    const logs = new Map();

    /**
     * @param {string} name
     * @returns {Log}
     */
    const log = name => under(logs, name, () => (
        { last: 0, gaps: 0, resumed: false, done: { gaps: 0, seq: 0 }, acknowledged: 0, ids: new Set() }
    ));

    /**
     * Tells of what came of a log; but only its place of what is not new, or of a log that only a newer release knows.
     *
     * @param {{ log: string, seq?: number, cursor: string }} frame
     * @param {boolean} isNew
     * @param {any} told
     */
    function came({ log: name, seq = 0, cursor }, isNew, told) {
        const its = log(name);
        its.resumed = true;
        its.last = seq;
        its.resume = cursor;
        const place = { log: name, gaps: its.gaps, seq, cursor };
        say(isNew && isLog(name) ? { ...told, place } : { kind: "skip", place });
    }

    // The mailbox is the first one.
    log("mailbox").resume = start;
    for (const [name, cursor] of Object.entries(cursors)) log(name).resume = cursor;

    return {
        /**
         * Where each log goes on: as many as a `hello` may name, the mailbox among them. The gateway knows of the others what this device
         * has acknowledged.
         *
         * @returns {Record<string, string>}
         */
        resume() {
            const given = [...logs].filter(([, { resume }]) => resume).slice(0, CURSORS);
            return Object.fromEntries(given.map(([name, { resume }]) => /** @type {[string, string]} */ ([name, resume])));
        },

        /**
         * There is a new connection: a gap may come first, so that sequences of before mean nothing yet. Over each connection it is
         * acknowledged once what is stored, by which the user's other devices see when this one was last there.
         */
        connected() {
            for (const log of logs.values()) {
                log.resumed = false;
                log.acknowledged = 0;
            }
        },

        /**
         * An entry is given once, and nothing is said where the same sequence was.
         *
         * @param {EntryFrame} entry
         */
        entry(entry) {
            const its = log(entry.log);
            its.resumed = true;
            if (entry.seq <= its.last) return;
            // One id sent to two people is two messages.
            const item = [entry.from, entry.to, entry.id].join();
            const isNew = !its.ids.has(item);
            its.ids.add(item);
            forgetOldest(its.ids, REMEMBERED);
            came(entry, isNew, { kind: "entry", entry });
        },

        /**
         * After a gap sequences of the log may begin again.
         *
         * @param {ServerFrames["gap"]} gap
         */
        gap(gap) {
            const its = log(gap.log);
            its.gaps += 1;
            its.acknowledged = 0;
            came(gap, true, { kind: "gap", log: gap.log, from: gap.from, to: gap.to });
        },

        /** @param {ServerFrames["caught_up"]} caughtUp */
        caughtUp: caughtUp => came(caughtUp, true, { kind: "caughtUp", log: caughtUp.log, seq: caughtUp.seq }),

        /**
         * The application has stored what was given of each log up to here.
         *
         * @param {Record<string, Acknowledged>} done
         */
        done(done) {
            for (const [name, its] of Object.entries(done)) log(name).done = its;
        },

        /** Acknowledges what was not yet. */
        acknowledge() {
            for (const [name, log] of logs) {
                const { seq, gaps } = log.done;
                if (log.resumed && gaps === log.gaps && seq !== log.acknowledged) {
                    log.acknowledged = seq;
                    say({ kind: "write", frame: { ack: { log: name, delivered: seq } } });
                }
            }
        },
    };
}
