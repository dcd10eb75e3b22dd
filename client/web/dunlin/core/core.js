/**
 * One client's connection to Dunlin, decided without I/O: when to dial whom, what to send and repeat, what to give and drop.
 *
 * Drive it: give every input to `handle` in the order it happened, with the time it happened; then carry out the outputs in order. Call it
 * with a tick at `nextDeadline`, which is a time of the steady clock. The twin of the Rust library's core: both are held to the same
 * behaviour by the scripts in `client/scripts`.
 */

import { createAsks } from "./asks.js";
import { createIds } from "./ids.js";
import { createInbox } from "./inbox.js";
import { next } from "./next.js";
import { createOutbox } from "./outbox.js";
import { FRAMES, parse } from "./parse.js";
import { createReads } from "./reads.js";
import { createWatching } from "./watching.js";

/** @import { ServerFrames } from "./types.js" */
/** @import { ClientFrame, Core, Ended, Goodbye, Input, Lost, Now, Output, Setup } from "./words.js" */

/** A browser shows no pings, which come every 25 s: in a silence it is time to ask after two of them. */
const ASKS_AFTER = 50_000;
/** How long a question that is asked to hear something may bring nothing. */
const HEARS_WITHIN = 5_000;
/** How often the clocks are compared where nothing else happens: after a sleep the socket is dead, and says nothing. */
const COMPARES_CLOCKS_EVERY = 10_000;
/** How long the core waits for the answer to a question of its own. */
const OWN_WITHIN = 10_000;
/**
 * By this much more the machine's clock moves on than the steady one when the machine has slept. Far below the age at which an id is no
 * longer taken for a fresh one.
 */
const JUMP = 10_000;
/**
 * How the link is: over for good; or there is no connection and none is tried; or a dial is on its way, or `hello` was sent; or a gateway
 * has welcomed this client.
 */
const OVER = 0;
const RESTING = 1;
const OPENING = 2;
const UP = 3;
/** What comes again over the next connection, which resumes after what was given. */
const NEEDS_ROOM = ["entry", "gap", "caught_up", "receipt", "marked"];

/** @typedef {{ [Name in keyof ServerFrames]: (said: ServerFrames[Name]) => void }} Meanings */
/** @typedef {{ [Kind in Input["kind"]]: (input: Extract<Input, { kind: Kind }>) => void }} Takes */

/**
 * One client, which dials at the first tick: see the module.
 *
 * @param {Setup} setup
 * @param {Now} now
 * @returns {Core}
 */
export function createCore(setup, now) {
    const { gateways, device, random } = setup;
    let link = RESTING;
    /** When it rests no more; by when the welcome has to come; or something that proves that the connection is alive. */
    let due = now.steady;
    /** Before it there is no connection by a gateway's wish. */
    let floor = due;
    /** Since when it is up. */
    let since = 0;
    /** Whether something was asked to hear an answer. */
    let isProbed = false;
    let gateway = 0;
    /**
     * What the last gateway said of a token that is over.
     *
     * @type {Goodbye | null}
     */
    let refused = null;
    let tries = 0;
    let room = true;
    /** Whether something was dropped for want of room. */
    let isBehind = false;
    /**
     * How far the gateway's clock is ahead of the steady one, as far as it is known.
     *
     * @type {number | null}
     */
    let ahead = null;
    /** @type {Output[]} */
    let outputs = [];

    /** @param {Output} output */
    function say(output) {
        outputs.push(output);
        if (output.kind === "answered") watching.settled(now.steady, output);
    }

    /** @param {ClientFrame} frame */
    const write = frame => say({ kind: "write", frame });

    const ids = createIds(random);
    const inbox = createInbox(setup.cursors, setup.start, say);
    const outbox = createOutbox(setup.inFlightPerAddress, setup.history ?? [], say);
    const asks = createAsks(say);
    const watching = createWatching();
    const reads = createReads(say);

    /** The gateway's time, if it is known. */
    const serverTime = () => (ahead === null ? null : now.steady + ahead);
    const serverNow = () => serverTime() ?? now.wall;

    /** The longest pause before the next try: it doubles with each round through the gateways. */
    const bound = () => Math.min(setup.backoffMost, setup.backoffFirst * 2 ** Math.min(63, Math.floor(tries / gateways)));

    /** Something came. */
    function heard() {
        if (link !== UP) return;
        due = now.steady + ASKS_AFTER;
        isProbed = false;
    }

    /** Asks what a gateway answers by itself, to hear something. */
    function probe() {
        due = now.steady + HEARS_WITHIN;
        isProbed = true;
        asks.write({ presence: { users: [] } });
    }

    /** @param {Ended} why */
    function end(why) {
        say({ kind: "hangUp" });
        if (link === OVER) return;
        link = OVER;
        due = Infinity;
        outbox.end(why);
        asks.end(why);
        say({ kind: "ended", why });
    }

    /**
     * @param {Lost} why
     * @param {boolean} [soon] whether to dial without a pause: nobody else has lost a connection by this
     */
    function lost(why, soon) {
        // What is said of a connection that was let go of is no news.
        if (link < OPENING) return;
        // A connection that lasted longer than the pause before it has paid for it.
        if (link === UP && now.steady - since >= bound()) tries = 0;
        outbox.lost();
        asks.lost();
        isBehind = false;
        const { end: ended, atOnce, after = 0, refused: over = null } = next(why, refused);
        if (ended) return end(ended);
        refused = over;
        let pause = after;
        if (!atOnce) {
            if (!soon) pause += Math.floor(random() * (bound() + 1));
            tries += 1;
            gateway = (gateway + 1) % gateways;
        }
        link = RESTING;
        due = now.steady + pause;
        floor = now.steady + after;
        say({ kind: "disconnected", why, retryIn: pause });
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
        if (due > steady) return;
        if (link === RESTING) {
            link = OPENING;
            due = steady + setup.connectWithin;
            say({ kind: "dial", gateway, refused: refused && { code: refused.code }, serverTime: serverTime() });
        } else if (link === OPENING || isProbed) {
            letGo({ kind: "silent" }, isProbed);
        } else {
            probe();
        }
    }

    /** Tells how those are who are watched, where there is room. */
    function tellPresence() {
        if (room) watching.take().forEach(presence => say({ kind: "presence", ...presence }));
    }

    /** Tells of this moment: later it is of no use. @param {{ group?: string, from: string, kind: string }} said */
    function signal({ group, from, kind }) {
        if (room) say({ kind: "signal", from, signal: kind, group });
    }

    /**
     * What each frame means.
     *
     * @type {Meanings}
     */
    const meanings = {
        welcome({ user, device, region, server_time: time }) {
            const { steady } = now;
            if (link !== OPENING) return letGo({ kind: "badFrame" });
            outbox.welcomed(region, time);
            ids.corrected(time);
            ahead = time - steady;
            link = UP;
            since = steady;
            heard();
            refused = null;
            inbox.connected();
            watching.again(steady);
            reads.connected(steady);
            say({ kind: "connected", gateway, user, device, region });
        },
        goodbye: goodbye => letGo({ kind: "goodbye", goodbye }),
        answer: ({ ref, what: answer }) => asks.settle(ref, { answer }),
        refused({ ref, code, message, retry_after: retryAfter = null }) {
            if (ref == null) say({ kind: "refused", code, message });
            else asks.settle(ref, { error: { kind: "refused", code, message, retryAfter } });
        },
        signal,
        group_signal: signal,
        presence({ user, state, last_seen: lastSeen = null }) {
            watching.keep({ user, state, lastSeen });
            tellPresence();
        },
        accepted: accepted => outbox.accepted(serverNow(), accepted),
        rejected: rejected => outbox.rejected(now.steady, rejected),
        entry: inbox.entry,
        gap(gap) {
            inbox.gap(gap);
            outbox.gap(serverNow());
        },
        caught_up: inbox.caughtUp,
        receipt(receipt) {
            outbox.delivered(receipt);
            say({ kind: "receipt", receipt });
        },
        marked({ with: address, read }) {
            reads.marked(address, read);
            say({ kind: "marked", with: address, read });
        },
    };

    /**
     * What is done with each input.
     *
     * @type {Takes}
     */
    const takes = {
        submit(input) {
            if (input.id) ids.given(input.id);
            outbox.submit(input);
        },
        ask(input) {
            watching.asks(input.request, input.what);
            asks.ask(input);
        },
        signal({ to, signal }) {
            if (link === UP) write({ signal: { to, kind: signal } });
        },
        read: input => reads.read(input.with, input.upto),
        opened({ token }) {
            if (link === OPENING) write({ hello: { token, device, cursors: inbox.resume() } });
        },
        frame({ frame }) {
            // What was on its way over a connection that was let go of.
            if (link < OPENING) return;
            const known = parse(frame, FRAMES);
            if (!known) return letGo({ kind: "badFrame" });
            heard();
            const [name, said] = known;
            if (!name) return;
            if (!room && NEEDS_ROOM.includes(name)) isBehind = true;
            else meanings[name](said);
        },
        lost: ({ why }) => lost(why),
        room(input) {
            room = input.room;
            if (room && isBehind) letGo({ kind: "fellBehind" });
            tellPresence();
        },
        done: ({ done }) => inbox.done(done),
        wake() {
            if (link === RESTING) {
                tries = 0;
                due = Math.min(due, floor);
                tick();
            } else if (link === UP && (!isProbed || due <= now.steady)) {
                probe();
            }
        },
        close: () => end({ kind: "closed" }),
        tick,
    };

    /** Writes what can be written now. */
    function pump() {
        const { steady } = now;
        inbox.acknowledge();
        const what = watching.due(steady);
        if (what) asks.ask({ request: null, what, until: steady + OWN_WITHIN });
        reads.pump(steady);
        asks.pump();
        outbox.pump(steady, () => ids.next(serverNow()));
    }

    return {
        handle(at, input) {
            const jumped = at.wall - now.wall - (at.steady - now.steady) >= JUMP;
            now = at;
            outputs = [];
            // The machine has slept: the socket is dead, and what was known of the gateway's time is not true any more.
            if (jumped) {
                ahead = null;
                if (link > RESTING) letGo({ kind: "slept" });
            }
            takes[input.kind](/** @type {any} */ (input));
            if (link === UP) pump();
            return outputs;
        },

        get nextDeadline() {
            // The clocks were read last when something was handled.
            const compares = now.steady + COMPARES_CLOCKS_EVERY;
            const whileUp = [compares, watching.deadline()].concat(outbox.deadlines(), reads.deadlines());
            const time = [due].concat(asks.deadlines(), link === UP ? whileUp : []).reduce((one, other) => Math.min(one, other));
            return time === Infinity ? null : time;
        },
    };
}
