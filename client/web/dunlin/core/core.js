/**
 * One client's connection to Dunlin, decided without I/O: when to dial whom, what to send and repeat, what to give and drop.
 *
 * Drive it: give every input to `handle` in the order it happened, with the time it happened; then carry out the outputs in order. Call it
 * with a tick at `nextDeadline`, which is a time of the steady clock. The twin of the Rust library's core: both are held to the same
 * behaviour by the scripts in `client/scripts`.
 */

import { createAsks } from "./asks.js";
import { createClocks, earliest } from "./clocks.js";
import { createIds } from "./ids.js";
import { createInbox } from "./inbox.js";
import { next } from "./next.js";
import { createOutbox } from "./outbox.js";
import { parse } from "./parse.js";
import { createReads } from "./reads.js";
import { createWatching } from "./watching.js";

/** @import { ServerFrames } from "./types.js" */
/** @import { ClientFrame, Ended, Goodbye, Input, Lost, Notification, Now, Output, Progress, Setup } from "./words.js" */

/** A gateway pings every 25 s: a connection that brings nothing for two pings and some time more is dead. */
const SILENT_FOR = 60_000;
/** Where pings are not seen it is time to ask after two of them. */
const ASKS_AFTER = 50_000;
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

/** @typedef {{ [Name in keyof ServerFrames]: (said: ServerFrames[Name]) => void }} Meanings */

/** @template T @typedef {T extends unknown ? Omit<T, "kind"> : never} Untagged */
/** @template T @typedef {T extends { place: Progress } ? Omit<T, "kind" | "place"> : never} Unplaced */

/**
 * One client, which dials at the first tick: see the module.
 *
 * @param {Setup} setup
 * @param {Now} now
 * @returns {Core}
 */
function createCore(setup, now) {
    const { gateways, device, pings = true, random } = setup;
    /** @type {Link} */
    let link = { at: "resting", until: now.steady, floor: now.steady };
    let gateway = 0;
    /**
     * What the last gateway said of a token that is over, and whether that ended an open connection.
     *
     * @type {{ goodbye: Goodbye, wasOpen: boolean } | null}
     */
    let refused = null;
    let tries = 0;
    let room = true;
    /** Whether something was dropped for want of room. */
    let isBehind = false;
    /** @type {Output[]} */
    let outputs = [];

    /** @param {Output} output */
    const say = output => void outputs.push(output);
    /** @param {ClientFrame} frame */
    const write = frame => say({ kind: "write", frame });
    /** @param {Untagged<Notification>} notification */
    const notify = notification => say(/** @type {Notification} */ ({ kind: "notify", ...notification }));

    const clocks = createClocks(now);
    const ids = createIds(random);
    const inbox = createInbox(setup.cursors, setup.start);
    const outbox = createOutbox(setup.inFlightPerAddress, setup.history ?? [], say);
    const asks = createAsks(say);
    const watching = createWatching();
    const reads = createReads();

    /** The gateway's time, as far as it is known. */
    const serverNow = () => clocks.serverTime() ?? now.wall;

    /** The longest pause before the next try: it doubles with each round through the gateways. */
    const bound = () => Math.min(setup.backoffMost, setup.backoffFirst * 2 ** Math.min(63, Math.floor(tries / gateways)));

    /**
     * When the silence of the connection means something.
     *
     * @param {Up} up
     */
    const silentAt = ({ probed, heard }) => probed ?? heard + (pings ? SILENT_FOR : ASKS_AFTER);

    /** Something came. */
    function heard() {
        if (link.at !== "up") return;
        link.heard = now.steady;
        link.probed = null;
    }

    /**
     * Asks what a gateway answers by itself, to hear something.
     *
     * @param {Up} up
     */
    function probe(up) {
        up.probed = now.steady + HEARS_WITHIN;
        asks.write({ presence: { users: [] } });
    }

    /** @param {Ended} why */
    function end(why) {
        if (link.at === "over") return;
        link = { at: "over" };
        outbox.end(why);
        asks.end(why);
        notify({ what: "ended", why });
    }

    /**
     * @param {Lost} why
     * @param {boolean} [soon] whether to dial without a pause: nobody else has lost a connection by this
     */
    function lost(why, soon) {
        const { steady } = now;
        // What is said of a connection that was let go of is no news.
        if (link.at === "resting" || link.at === "over") return;
        const wasOpen = link.at === "up";
        // A connection that lasted longer than the pause before it has paid for it.
        if (link.at === "up" && steady - link.since >= bound()) tries = 0;
        outbox.lost();
        asks.lost();
        isBehind = false;
        const { end: ended, atOnce, after = 0, refused: goodbye } = next(why);
        if (ended) {
            say({ kind: "hangUp" });
            const told = ended.kind === "noToken" && refused;
            return end(told ? { kind: "goodbye", goodbye: told.goodbye } : ended);
        }
        let pause = after;
        if (!atOnce) {
            if (!soon) pause += Math.floor(random() * (bound() + 1));
            tries += 1;
            gateway = (gateway + 1) % gateways;
        }
        if (goodbye) refused = { goodbye, wasOpen };
        link = { at: "resting", until: steady + pause, floor: steady + after };
        notify({ what: "disconnected", why, retryIn: pause });
    }

    /**
     * @param {Lost} why
     * @param {boolean} [soon]
     */
    function letGo(why, soon) {
        say({ kind: "hangUp" });
        lost(why, soon);
    }

    function tick() {
        const { steady } = now;
        asks.expired(steady);
        if (link.at === "resting" && link.until <= steady) {
            link = { at: "opening", by: steady + setup.connectWithin };
            const refusal = refused && { code: refused.goodbye.code, wasOpen: refused.wasOpen };
            say({ kind: "dial", gateway, refused: refusal, serverTime: clocks.serverTime() });
        } else if (link.at === "opening" && link.by <= steady) {
            letGo({ kind: "silent" });
        } else if (link.at === "up" && silentAt(link) <= steady) {
            if (pings || link.probed !== null) letGo({ kind: "silent" }, link.probed !== null);
            else probe(link);
        }
    }

    /** Tells how those are who are watched, where there is room. */
    function tellPresence() {
        if (room) for (const presence of watching.take()) notify({ what: "presence", ...presence });
    }

    /**
     * Tells of what stands at a place, or only passes it.
     *
     * @param {[isGiven: boolean, place: Progress]} found
     * @param {Unplaced<Notification>} notification
     */
    function give([isGiven, place], notification) {
        if (isGiven) notify({ ...notification, place });
        else say({ kind: "skip", place });
    }

    /**
     * What each frame means.
     *
     * @type {Meanings}
     */
    const meanings = {
        welcome({ user, device, region, server_time: time }) {
            const { steady } = now;
            outbox.welcomed(region, time);
            if (link.at !== "opening") return;
            ids.corrected(time);
            clocks.told(time);
            link = { at: "up", since: steady, heard: steady, probed: null };
            refused = null;
            inbox.connected();
            watching.again(steady);
            reads.connected(steady);
            notify({ what: "connected", gateway, user, device, region });
        },
        goodbye: goodbye => letGo({ kind: "goodbye", goodbye }),
        answer: ({ ref, what }) => asks.settle(ref, { answer: what }),
        refused({ ref, code, message, retry_after: retryAfter = null }) {
            if (ref == null) notify({ what: "refused", code, message });
            else asks.settle(ref, { error: { kind: "refused", code, message, retryAfter } });
        },
        signal({ from, kind }) {
            // It tells of this moment: later it is of no use.
            if (room) notify({ what: "signal", from, signal: kind });
        },
        presence({ user, state, last_seen: lastSeen = null }) {
            watching.keep({ user, state, lastSeen });
            tellPresence();
        },
        accepted: ({ id, order = null, time }) => outbox.accepted(serverNow(), { id, order, time }),
        rejected: rejected => outbox.rejected(now.steady, rejected),
        entry(entry) {
            const found = inbox.entry(entry);
            if (found) give(found, { what: "entry", entry });
        },
        gap({ log, from, to, cursor }) {
            give(inbox.gap(log, cursor), { what: "gap", log, from, to });
            outbox.gap(serverNow());
        },
        caught_up: ({ log, seq, cursor }) => give(inbox.caughtUp(log, seq, cursor), { what: "caughtUp", log, seq }),
        receipt(receipt) {
            const { to, delivered: upto, since, missing, time } = receipt;
            if (upto != null && since != null) outbox.delivered(to, { upto, missing, since, time });
            notify({ what: "receipt", receipt });
        },
        marked({ with: address, read }) {
            reads.marked(address, read);
            notify({ what: "marked", with: address, read });
        },
    };

    /** @param {unknown} frame */
    function frame(frame) {
        // What was on its way over a connection that was let go of.
        if (link.at === "resting" || link.at === "over") return;
        const known = parse(frame);
        if (!known) return letGo({ kind: "badFrame" });
        heard();
        const [name, said] = known;
        if (!name) return;
        // Where there is no room it comes again over the next connection, which resumes after what was given.
        const needsRoom = ["entry", "gap", "caught_up", "receipt", "marked"].includes(name);
        if (needsRoom && !room) isBehind = true;
        else meanings[name](said);
    }

    /** @param {Input} input */
    function take(input) {
        const { steady } = now;
        switch (input.kind) {
            case "submit":
                if (input.id) ids.given(input.id);
                return outbox.submit({ ...input, id: input.id ?? null });
            case "ask":
                watching.asks(input.request, input.what);
                return asks.ask(input);
            case "signal":
                if (link.at === "up") write({ signal: { to: input.to, kind: input.signal } });
                return;
            case "read":
                return reads.read(input.with, input.upto);
            case "opened":
                if (link.at !== "opening") return;
                if (input.date != null) clocks.told(input.date);
                return write({ hello: { token: input.token, device, cursors: inbox.resume() } });
            case "frame":
                return frame(input.frame);
            case "heard":
                return heard();
            case "lost":
                return lost(input.why);
            case "room":
                if (input.room && isBehind) letGo({ kind: "fellBehind" });
                room = input.room;
                return tellPresence();
            case "done":
                return inbox.done(input.done);
            case "wake":
                if (link.at === "resting") {
                    tries = 0;
                    link.until = Math.min(link.until, Math.max(link.floor, steady));
                    return tick();
                }
                if (link.at === "up" && (link.probed ?? 0) <= steady) probe(link);
                return;
            case "close":
                say({ kind: "hangUp" });
                return end({ kind: "closed" });
            case "tick":
                return tick();
        }
    }

    /** Writes what can be written now. */
    function pump() {
        const { steady } = now;
        inbox.acknowledge((log, delivered) => write({ ack: { log, delivered } }));
        const what = watching.due(steady);
        if (what) asks.ask({ request: null, what, until: steady + OWN_WITHIN });
        reads.pump(steady, (address, upto) => write({ read: { with: address, upto } }));
        asks.pump();
        outbox.pump(steady, () => ids.next(serverNow()));
    }

    return {
        handle(at, input) {
            now = at;
            outputs = [];
            // The machine has slept: the socket is dead, and what was known of the gateway's time is not true any more.
            if (clocks.jumped(now) && (link.at === "opening" || link.at === "up")) letGo({ kind: "slept" });
            take(input);
            for (const output of outputs) if (output.kind === "answered") watching.settled(now.steady, output);
            if (link.at === "up") pump();
            return outputs;
        },

        get nextDeadline() {
            const times = [asks.nextDeadline()];
            if (link.at === "resting") times.push(link.until);
            if (link.at === "opening") times.push(link.by);
            if (link.at === "up") {
                // The clocks were read last when something was handled.
                const compares = now.steady + COMPARES_CLOCKS_EVERY;
                times.push(compares, silentAt(link), outbox.nextDeadline(), watching.nextDeadline(), reads.nextDeadline());
            }
            const time = earliest(times);
            return time === Infinity ? null : time;
        },
    };
}

/** @typedef {import("./words.js").Core} Core */

/** @type {new (setup: Setup, now: Now) => Core} */
export const Core = /** @type {any} */ (createCore);
