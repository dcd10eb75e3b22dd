/**
 * One client's connection to Dunlin, decided without I/O: when to dial whom, what to send and repeat, what to give and drop.
 *
 * Drive it: give every input to `handle` in the order it happened, with the time it happened; then carry out the outputs in order. Call it
 * with a tick at `nextDeadline`, which is a time of the steady clock. The twin of the Rust library's core: both are held to the same
 * behaviour by the scripts in `client/scripts`.
 */

import { Asks } from "./asks.js";
import { Clocks } from "./clocks.js";
import { take } from "./frames.js";
import { Ids } from "./ids.js";
import { Inbox } from "./inbox.js";
import { PING_EVERY } from "./limits.js";
import { next } from "./next.js";
import { earliest } from "./order.js";
import { Outbox } from "./outbox.js";
import { Reads } from "./reads.js";
import { Watching } from "./watching.js";

/** @import { ServerFrames } from "./types.js" */
/** @import { Ended, Goodbye, Input, Lost, Notification, Now, Output, Setup } from "./words.js" */

/** A connection that brings nothing for two pings and some time more is dead; where pings are not seen, it is time to ask. */
const SILENT_FOR = 2 * PING_EVERY + 10_000;
const ASKS_AFTER = 2 * PING_EVERY;
/** How long a question that is asked to hear something may bring nothing. */
const HEARS_WITHIN = 5_000;
/** How often the clocks are compared where nothing else happens: after a sleep the socket is dead, and says nothing. */
const COMPARES_CLOCKS_EVERY = 10_000;
/** How long the core waits for the answer to a question of its own. */
const OWN_WITHIN = 10_000;

/**
 * @typedef {{ at: "resting", until: number, floor: number }} Resting No connection before `until`; before `floor` none by a gateway's wish.
 * @typedef {{ at: "opening", by: number }} Opening A dial is on its way, or `hello` was sent; the welcome has to come by this time.
 * @typedef {{ at: "up", since: number, heard: number, probed: number | null }} Up `probed`: something has to come by this time.
 * @typedef {Resting | Opening | Up | { at: "over" }} Link
 */

/** @template T @typedef {T extends unknown ? Omit<T, "kind"> : never} Untagged */

/** One client: see the module. */
export class Core {
    /**
     * A client that dials at the first tick.
     *
     * @param {Setup} setup
     * @param {Now} now
     */
    constructor(setup, now) {
        this.setup = setup;
        /** @type {Link} */
        this.link = { at: "resting", until: now.steady, floor: now.steady };
        this.gateway = 0;
        /**
         * What the last gateway said of a token that is over, and whether that ended an open connection.
         *
         * @type {{ goodbye: Goodbye, wasOpen: boolean } | null}
         */
        this.refused = null;
        this.tries = 0;
        this.room = true;
        /** Whether entries were dropped for want of room: the next input of room should wait until there is plenty. */
        this.isBehind = false;
        /** @type {Output[]} */
        this.outputs = [];
        /** @type {(output: Output) => void} */
        this.say = output => void this.outputs.push(output);
        this.clocks = new Clocks(now);
        this.ids = new Ids();
        this.inbox = new Inbox(setup.cursors, setup.start);
        this.outbox = new Outbox(setup.inFlightPerAddress, setup.history ?? [], this.say);
        this.asks = new Asks(this.say);
        this.watching = new Watching();
        this.reads = new Reads();
    }

    /**
     * Takes an input and says what to do.
     *
     * @param {Now} now
     * @param {Input} input
     */
    handle(now, input) {
        this.outputs = [];
        const { steady } = now;
        if (this.clocks.jumped(now)) this.slept(steady);
        this.take(now, input);
        for (const output of this.outputs) if (output.kind === "answered") this.watching.settled(steady, output);
        if (this.link.at === "up") this.pump(now);
        return this.outputs;
    }

    /**
     * Whether the socket is to be read. While the application leaves no room it need not be, so that nothing has to be dropped; unless
     * somebody waits for an answer, which may stand behind entries.
     */
    get wantsInput() {
        return this.room || this.outbox.requests > 0 || this.asks.asked.size > 0 || this.link.at === "opening";
    }

    /** Whether the client is over. */
    get isOver() {
        return this.link.at === "over";
    }

    /** How far this machine's clock is ahead of the gateway's, in ms, if that is known; negative where it is behind. */
    get clockSkew() {
        return this.clocks.skew;
    }

    /** When to call again with a tick, if nothing happens before. */
    get nextDeadline() {
        const { link, asks, clocks, outbox, watching, reads } = this;
        const times = [asks.nextDeadline];
        if (link.at === "resting") times.push(link.until);
        if (link.at === "opening") times.push(link.by);
        if (link.at === "up") {
            const compared = clocks.last.steady + COMPARES_CLOCKS_EVERY;
            times.push(compared, this.silentAt(link), outbox.nextDeadline, watching.nextDeadline, reads.nextDeadline);
        }
        const time = earliest(times);
        return time === Infinity ? null : time;
    }

    /**
     * When the silence of the connection means something.
     *
     * @param {Up} link
     */
    silentAt({ probed, heard }) {
        if (!this.wantsInput) return Infinity;
        return probed ?? heard + (this.setup.pings === false ? ASKS_AFTER : SILENT_FOR);
    }

    /**
     * @param {Now} now
     * @param {Input} input
     */
    take(now, input) {
        const { link, outbox, asks } = this;
        const { steady } = now;
        switch (input.kind) {
            case "submit":
                if (input.id) this.ids.given(input.id);
                return outbox.submit(input.request, input.to, input.content, input.id ?? null);
            case "ask":
                this.watching.asks(input.request, input.what);
                return asks.ask(input.request, input.what, input.until);
            case "signal":
                if (link.at === "up") this.write({ signal: { to: input.to, kind: input.signal } });
                return;
            case "read":
                return this.reads.read(input.with, input.upto);
            case "opened":
                return this.opened(now, input.token, input.date);
            case "frame":
                return take(this, now, input.frame);
            case "heard":
                return this.heard(steady);
            case "lost":
                return this.lost(steady, input.why);
            case "room":
                return this.hasRoom(steady, input.room);
            case "done":
                return this.inbox.done(input.done);
            case "wake":
                return this.wake(now);
            case "close":
                this.say({ kind: "hangUp" });
                return this.end({ kind: "closed" });
            case "tick":
                return this.tick(now);
        }
    }

    /**
     * Writes what can be written now.
     *
     * @param {Now} now
     */
    pump(now) {
        const { steady } = now;
        this.inbox.acknowledge((log, delivered) => this.write({ ack: { log, delivered } }));
        const watch = this.watching.due(steady);
        if (watch) this.asks.ask(null, watch, steady + OWN_WITHIN);
        this.reads.pump(steady, (address, upto) => this.write({ read: { with: address, upto } }));
        this.asks.pump();
        const time = this.serverNow(now);
        this.outbox.pump(steady, () => this.ids.next(time, this.setup.random));
    }

    /** @param {import("./words.js").ClientFrame} frame */
    write(frame) {
        this.say({ kind: "write", frame });
    }

    /** @param {Untagged<Notification>} notification */
    notify(notification) {
        this.say(/** @type {Notification} */ ({ kind: "notify", ...notification }));
    }

    /**
     * The gateway's time, as far as it is known.
     *
     * @param {Now} now
     */
    serverNow(now) {
        return this.clocks.serverTime(now) ?? now.wall;
    }

    /**
     * The machine has slept: the socket is dead, and what was known of the gateway's time is not true any more.
     *
     * @param {number} now
     */
    slept(now) {
        if (this.link.at === "opening" || this.link.at === "up") this.letGo(now, { kind: "slept" });
    }

    /**
     * Whoever waits for a connection need not wait longer, and one that seems to be there is tried.
     *
     * @param {Now} now
     */
    wake(now) {
        const { link } = this;
        const { steady } = now;
        if (link.at === "resting") {
            this.tries = 0;
            link.until = Math.min(link.until, Math.max(link.floor, steady));
            this.tick(now);
        } else if (link.at === "up" && this.wantsInput && (link.probed ?? 0) <= steady) {
            this.probe(link, steady);
        }
    }

    /**
     * Asks what a gateway answers by itself, to hear something.
     *
     * @param {Up} link
     * @param {number} now
     */
    probe(link, now) {
        link.probed = now + HEARS_WITHIN;
        this.asks.write({ presence: { users: [] } });
    }

    /**
     * @param {Now} now
     * @param {string} token
     * @param {number | null | undefined} date
     */
    opened(now, token, date) {
        if (this.link.at !== "opening") return;
        if (date != null) this.clocks.told(now, date);
        this.write({ hello: { token, device: this.setup.device, cursors: this.inbox.resume() } });
    }

    /** @param {number} now */
    heard(now) {
        if (this.link.at !== "up") return;
        this.link.heard = now;
        this.link.probed = null;
    }

    /**
     * @param {Now} now
     * @param {ServerFrames["welcome"]} welcome
     */
    welcomed(now, { user, device, region, server_time: time }) {
        const { steady } = now;
        this.outbox.welcomed(region, time);
        if (this.link.at !== "opening") return;
        this.ids.corrected(time);
        this.clocks.told(now, time);
        this.link = { at: "up", since: steady, heard: steady, probed: null };
        this.refused = null;
        this.inbox.connected();
        this.watching.again(steady);
        this.reads.connected(steady);
        this.notify({ what: "connected", gateway: this.gateway, user, device, region });
    }

    /**
     * @param {number} now
     * @param {boolean} room
     */
    hasRoom(now, room) {
        if (room && !this.room) {
            // While the socket was not read its silence meant nothing.
            this.heard(now);
            if (this.isBehind) this.letGo(now, { kind: "fellBehind" });
        }
        this.room = room;
        this.tellPresence();
    }

    /** Tells how those are who are watched, where there is room. */
    tellPresence() {
        if (this.room) for (const presence of this.watching.take()) this.notify({ what: "presence", ...presence });
    }

    /** @param {Now} now */
    tick(now) {
        const { steady } = now;
        this.asks.expired(steady);
        const { link } = this;
        if (link.at === "resting" && link.until <= steady) {
            this.link = { at: "opening", by: steady + this.setup.connectWithin };
            const refused = this.refused && { code: this.refused.goodbye.code, wasOpen: this.refused.wasOpen };
            this.say({ kind: "dial", gateway: this.gateway, refused, serverTime: this.clocks.serverTime(now) });
        } else if (link.at === "opening" && link.by <= steady) {
            this.letGo(steady, { kind: "silent" });
        } else if (link.at === "up" && this.silentAt(link) <= steady) {
            if (this.setup.pings === false && link.probed === null) this.probe(link, steady);
            else this.letGo(steady, { kind: "silent" }, link.probed !== null);
        }
    }

    /**
     * @param {number} now
     * @param {Lost} why
     * @param {boolean} [atOnce]
     */
    letGo(now, why, atOnce) {
        this.say({ kind: "hangUp" });
        this.lost(now, why, atOnce);
    }

    /**
     * @param {number} now
     * @param {Lost} why
     * @param {boolean} [atOnce] whether to dial without a pause: nobody else has lost a connection by this
     */
    lost(now, why, atOnce = false) {
        const { link } = this;
        // What is said of a connection that was let go of is no news.
        if (link.at === "resting" || link.at === "over") return;
        const wasOpen = link.at === "up";
        // A connection that lasted longer than the pause before it has paid for it.
        if (link.at === "up" && now - link.since >= this.bound) this.tries = 0;
        this.outbox.lost();
        this.asks.lost();
        this.isBehind = false;
        const { end, atOnce: isSame, after, refused } = next(why);
        if (end) {
            this.say({ kind: "hangUp" });
            const goodbye = end.kind === "noToken" && this.refused?.goodbye;
            return this.end(goodbye ? { kind: "goodbye", goodbye } : end);
        }
        let pause = after;
        if (!isSame) {
            if (!atOnce) pause += Math.floor(this.setup.random() * (this.bound + 1));
            this.tries += 1;
            this.gateway = (this.gateway + 1) % this.setup.gateways;
        }
        if (refused) this.refused = { goodbye: refused, wasOpen };
        this.link = { at: "resting", until: now + pause, floor: now + after };
        this.notify({ what: "disconnected", why, retryIn: pause });
    }

    /** The longest pause before the next try: it doubles with each round through the gateways. */
    get bound() {
        const { gateways, backoffFirst, backoffMost } = this.setup;
        return Math.min(backoffMost, backoffFirst * 2 ** Math.min(63, Math.floor(this.tries / gateways)));
    }

    /** @param {Ended} why */
    end(why) {
        if (this.link.at === "over") return;
        this.link = { at: "over" };
        this.outbox.end(why);
        this.asks.expired(Infinity, { kind: "ended", why });
        this.notify({ what: "ended", why });
    }
}
