/**
 * Runs the core: feeds it, and does what it says. One for an account, in the tab that leads.
 *
 * What an input changes is stored, in one transaction, before anything that it causes is written or told; what waits for the same
 * transaction shares it. So a message is in the store, with its id, before a socket has it, and an entry with its cursor before it is
 * acknowledged or shown.
 */

/** @import { Acknowledged, EntryFrame, Input, Output, Question } from "./core/words.js" */
/** @import { Command, Draft, Status, Told } from "./host.js" */
/** @import { Item } from "./items.js" */
/** @import { Effect } from "./pipeline.js" */
/** @import { MakeSocket } from "./socket.js" */
/** @import { Kept } from "./store/kept.js" */
/** @import { Change } from "./store/memory.js" */
/** @import { createTokens } from "./token.js" */

import { createConnection } from "./connection.js";
import { seenFrom } from "./core/address.js";
import { createCore } from "./core/core.js";
import { createItems } from "./items.js";
import { createPipeline } from "./pipeline.js";
import { entryKey, peerOf, randomName } from "./records.js";
import { createTimer, now } from "./timer.js";

/** A mailbox keeps entries for so long, in ms. */
const RETENTION = 30 * 86_400_000;
/** Effects that may wait for the store, and entries for a consumer, before nothing more is taken; and at how few that goes on. */
const MOST_WAITING = 4_096;
const FEW_WAITING = 1_024;
/** People whom one connection watches, and how long the engine waits for the answer to that, in ms. */
const WATCHED = 200;
const WATCH_WITHIN = 10_000;
/** How often it is looked for what tabs have kept and not handed over, in ms. */
const SWEEPS_EVERY = 30_000;
/** What is wrong with an id stays wrong. */
const OF_ID = ["bad_id", "too_old", "from_the_future"];

/**
 * @typedef {object} Options
 * @property {string[]} gateways
 * @property {ReturnType<typeof createTokens>} tokens
 * @property {MakeSocket} socket
 * @property {string} [device]
 * @property {"live" | "beginning"} [start]
 * @property {{ first?: number, most?: number }} [backoff] ms
 */

/** @typedef {ReturnType<typeof createEngine>} Engine */

/**
 * Who processes entries one by one: a cursor waits for that.
 *
 * @typedef {{ take: (entry: EntryFrame | undefined, done: () => void) => void, waiting: () => number }} Consumer
 */

/**
 * @typedef {{
 *     [Kind in Output["kind"]]?: (output: Extract<Output, { kind: Kind }>, changes: Change[]) => Effect | false | void
 * }} CarriesOut
 */

/**
 * @param {Options & { heard: number }} options `heard`: of which reign was heard before
 * @param {Kept} kept
 * @param {() => Consumer | undefined} consumer
 * @param {(told: Told, reign: number) => void} say must not throw
 * @param {() => void} refused another one leads, and this one writes nothing any more
 */
export function createEngine(options, kept, consumer, say, refused) {
    const { gateways, backoff: { first = 200, most = 30_000 } = {} } = options;
    /** @type {import("./core/words.js").Core | undefined} */
    let core;
    /** @type {Status} */
    let status = { state: "connecting" };
    /** Questions of tabs that have no answer yet. @type {Set<any>} */
    const asking = new Set();
    /** Whom each tab watches. @type {Map<string, string[]>} */
    const watching = new Map();
    /** @type {Map<string, Told>} */
    const presences = new Map();
    /** Who is watched; nobody knows after an error. @type {string | undefined} */
    let watched = "";
    /** @type {Record<string, Acknowledged>} */
    let done = {};
    let room = true;
    let isSwapping = false;
    /** How often another user was welcomed than the one who was there. */
    let others = 0;
    let isOver = false;
    /** Which one of those who lead, one after the other, this one is. */
    let reign = 0;
    /**
     * What tabs hand over is taken in its order, though some of it is looked up, and behind what is kept.
     *
     * @type {Promise<void>}
     */
    let adopted;

    const items = createItems(kept);
    const setAlarm = createTimer(() => handle({ kind: "tick" }));
    const sweeping = setInterval(() => void sweep(), SWEEPS_EVERY);
    const pipeline = createPipeline(write, () => {
        const its = done;
        done = {};
        if (Object.keys(its).length) handle({ kind: "done", done: its });
        makeRoom();
    });
    const connection = createConnection(gateways, options.tokens, options.socket, handle, swap, error => {
        tell({ kind: "refused", code: "connection", message: String(error) });
    });

    /** @param {Told} told */
    const tell = told => say(told, reign);

    /** Who was frozen may not know yet that another one leads, and must not undo what that one does. @param {Change[]} changes */
    async function write(changes) {
        const isWritten = await kept.write(changes, reign);
        if (!isWritten && !isOver) refused();
        return isWritten;
    }

    /** Lets follow only if nobody else leads. @param {Change[]} changes */
    const confirm = changes => void changes.push(["meta", "reign", reign]);

    /** @param {Input} input */
    function handle(input) {
        const its = core;
        if (!its) return;
        /** @type {Change[]} */
        const changes = [];
        /** @type {any[]} */
        const outputs = its.handle(now(), input);
        const { welcome } = /** @type {any} */ (input).frame ?? {};
        const { user } = outputs.find(({ kind }) => kind === "connected") ?? {};
        if (user) {
            if (status.user && status.user !== user) return void reset(user);
            status = { ...status, ahead: welcome.server_time - Date.now() };
            connection.welcomed(welcome.server_time);
        }
        pipeline.add(changes, outputs.map(output => {
            const follows = carriesOut[/** @type {"write"} */ (output.kind)]?.(output, changes);
            return follows ?? (() => tell(output));
        }));
        makeRoom();
        if (core === its) setAlarm(its.nextDeadline);
    }

    function makeRoom() {
        const waiting = pipeline.waiting() + (consumer()?.waiting() ?? 0);
        const had = room;
        room = waiting < (had ? MOST_WAITING : FEW_WAITING);
        if (room !== had) handle({ kind: "room", room });
    }

    /**
     * What is to be done at once and stored for each output, and what follows then. Where nothing is said of that tabs are told of the
     * output as it is.
     *
     * @type {CarriesOut}
     */
    const carriesOut = {
        dial(output) {
            const dial = connection.dial(output);
            return isSwapping ? dial : stands({ state: "connecting" }, dial);
        },
        write({ frame }, changes) {
            if ("hello" in frame) confirm(changes);
            return connection.write(frame);
        },
        hangUp: connection.hangUp,
        named({ request, id }, changes) {
            const item = items.get(request);
            return item ? put({ ...item, id }, changes) : false;
        },
        settle,
        answered({ request, error }) {
            if (asking.delete(request)) return;
            // The core's own questions have no request.
            if (request && error) watched = undefined;
            return false;
        },
        skip: came,
        forget({ id }, changes) {
            const key = items.withId(id)?.key;
            if (!key) return false;
            changes.push(["outbox", key]);
            return () => items.forget(key);
        },
        connected({ user, device, region }, changes) {
            changes.push(["meta", "user", user], ["meta", "region", region]);
            // Nobody need see that it is another connection.
            if (isSwapping) return (isSwapping = false);
            return stands({ state: "online", user, device, region }, watch);
        },
        disconnected(output) {
            const { why, retryIn } = output;
            if (isSwapping && why.kind === "slept") return false;
            isSwapping = false;
            presences.clear();
            return stands({ state: "offline", why, retryAt: Date.now() + retryIn }, () => tell(output));
        },
        ended({ why }, changes) {
            confirm(changes);
            return stands({ state: "ended", why });
        },
        // Of a group that one is no longer in a cursor is still kept.
        refused({ code }) {
            return code === "unknown_log" ? false : undefined;
        },
        receipt({ receipt }, changes) {
            const { by, to, since, order } = receipt;
            changes.push(["receipts", `${by ?? to}/${by ? since : order}`, receipt]);
        },
        marked: ({ with: peer, read }, changes) => void changes.push(["marks", peer, read]),
        presence: output => void presences.set(output.user, output),
        entry: came,
        gap: (output, changes) => came({ ...output, repeated: items.accepted().length }, changes),
        caughtUp: came,
    };

    /**
     * Takes what came of a log, an entry perhaps: its cursor moves with it, or once it is processed.
     *
     * @param {any} told
     * @param {Change[]} changes
     */
    function came(told, changes) {
        const its = consumer();
        const { kind, entry, place } = told;
        /** @type {Change} */
        const moved = ["cursors", place.log, place.cursor];
        const isDone = () => void (done[place.log] = place);
        if (entry) keep(entry, changes);
        if (!its) changes.push(moved);
        return () => {
            if (kind !== "skip") tell(told);
            if (entry) void forget(entry);
            if (its) its.take(entry, () => pipeline.add([moved], [isDone]));
            else isDone();
        };
    }

    /**
     * @param {EntryFrame} entry
     * @param {Change[]} changes
     */
    function keep(entry, changes) {
        const { from, id, content } = entry;
        const peer = peerOf(entry, status.user);
        const deleted = /** @type {any} */ (content.delete)?.target;
        // What was taken back is not kept.
        if (deleted) changes.push(["entries", entryKey(peer, deleted, from)]);
        changes.push(["entries", entryKey(peer, id, from), entry]);
    }

    /** In a group an admin takes back what somebody else said: whose it is, the store knows. @param {EntryFrame} entry */
    async function forget({ log, content }) {
        const target = /** @type {any} */ (content.delete)?.target;
        if (!target || log === "mailbox") return;
        for (const [key] of await kept.read("entries", entryKey(log, target, ""))) pipeline.add([["entries", key]], []);
    }

    /**
     * @param {Output & { kind: "settle" }} output
     * @param {Change[]} changes
     * @returns {Effect | false}
     */
    function settle({ request, accepted, error }, changes) {
        const item = items.get(request);
        // What is not sent when the client ends is sent by the next one.
        if (!item || error?.kind === "ended") return false;
        const { key, to, content } = item;
        if (accepted) {
            const said = { log: "mailbox", ...accepted, from: status.user, to: seenFrom(to, status.region), content };
            keep(/** @type {any} */ (said), changes);
        }
        const settled = { ...item, accepted, error };
        // Of an edit that failed nothing is shown, so that nobody could try it again.
        const stays = accepted || content.message;
        if (stays) return put(settled, changes);
        changes.push(["outbox", key]);
        return () => {
            items.forget(key);
            tellOf(settled);
        };
    }

    /** @param {Item} item */
    const tellOf = item => tell({ kind: "draft", draft: item });

    /** Has an item be as it is now; what follows tells so. @param {Item} item @param {Change[]} changes */
    function put(item, changes) {
        changes.push(["outbox", item.key, items.put(item)]);
        return () => tellOf(item);
    }

    /** @param {Item} item */
    const submit = item => handle({ kind: "submit", request: item.key, ...item });

    /** @param {Draft} draft @param {boolean} isKept */
    async function adopt(draft, isKept) {
        if (isOver) return;
        const item = items.get(draft.key);
        if (item) return tellOf(item);
        const isGone = await items.isGone(draft.key, isKept);
        // Another tab leads, and may have sent it.
        if (isOver) return;
        if (!isGone) send(draft);
    }

    /** @param {Item} item */
    function send(item) {
        /** @type {Change[]} */
        const changes = [];
        pipeline.add(changes, [put(item, changes)]);
        submit(item);
    }

    /**
     * @param {unknown} request
     * @param {Question} what
     * @param {number} within
     */
    function ask(request, what, within) {
        handle({ kind: "ask", request, what, until: now().steady + within });
    }

    /** Watches whom any tab wants to see. */
    function watch() {
        const users = [...new Set([...watching.values()].flat())].sort().slice(0, WATCHED);
        if (watched === users.join()) return;
        // All are told anew.
        presences.clear();
        watched = users.join();
        // Each one is a request of its own.
        ask(users, { watch: { users } }, WATCH_WITHIN);
    }

    /** Over to a connection with another token; what is under way goes on over that one. */
    function swap() {
        isSwapping = true;
        pipeline.add([], [connection.hangUp()]);
        handle({ kind: "lost", why: { kind: "slept" } });
    }

    /** What is kept is another user's: nothing of it is sent, shown or acknowledged. Each change waits for longer. @param {string} user */
    async function reset(user) {
        core = undefined;
        isSwapping = false;
        pipeline.add([], [connection.hangUp()]);
        await pipeline.idle();
        await kept.clear();
        items.clear();
        await kept.write([["meta", "reign", reign], ["meta", "user", user]]);
        if (isOver) return;
        status = { state: "connecting", user };
        tell({ kind: "reset" });
        tell({ kind: "status", status });
        setTimeout(() => isOver || begin(), Math.random() * Math.min(most, first * 2 ** others++));
    }

    /**
     * @param {Partial<Status> & Pick<Status, "state">} news
     * @param {Effect} [then]
     */
    function stands(news, then) {
        const { state, why, retryAt, ...lasting } = status;
        const told = (status = { ...lasting, ...news });
        return () => {
            tell({ kind: "status", status: told });
            then?.();
        };
    }

    function begin() {
        const meta = Object.fromEntries(kept.held("meta"));
        const own = options.device ?? meta.device ?? `web-${randomName()}`;
        status = { state: "connecting", user: meta.user, region: meta.region, device: own };
        asking.clear();
        watched = "";
        const its = createCore(
            {
                gateways: gateways.length,
                device: own,
                cursors: Object.fromEntries(kept.held("cursors")),
                start: options.start ?? null,
                backoffFirst: first,
                backoffMost: most,
                connectWithin: 10_000,
                inFlightPerAddress: 1,
                random: Math.random,
                history: items.accepted(),
            },
            now(),
        );
        core = its;
        const all = items.all();
        pipeline.add(
            [["meta", "device", own]],
            // Who led before may have died before it could say what it did.
            [() => tell({ kind: "leader", status }), ...all.map(item => () => tellOf(item))],
        );
        for (const item of all) if (!item.accepted && !item.error) submit(item);
        handle({ kind: "tick" });
    }

    /** Ends as if it had been killed; what is being stored is stored. */
    function stop() {
        isOver = true;
        core = undefined;
        setAlarm(null);
        clearInterval(sweeping);
        connection.hangUp()();
        pipeline.stop();
        return pipeline.idle();
    }

    /** Goes on from what is kept. */
    async function goOn() {
        reign = await kept.lead(options.heard);
        for (const [, item] of kept.held("outbox")) items.put(item);
        await kept.prune(Date.now() - RETENTION);
        if (!isOver) begin();
    }

    /** Takes up what a tab has kept and could not hand over any more. */
    async function sweep() {
        const found = await kept.read("outbox");
        for (const [key, draft] of found.reverse()) if (!items.get(key)) submitted(draft, true);
    }

    /** @param {Draft} draft @param {boolean} isKept */
    const submitted = (draft, isKept) => void (adopted = adopted.then(() => adopt(draft, isKept)));

    adopted = goOn();

    return {
        stop,

        /** Ends, when everything that waits is written. */
        async close() {
            await adopted;
            handle({ kind: "close" });
            await pipeline.idle();
            await stop();
        },

        /** @param {Command} command */
        command(command) {
            if (command.kind === "submit") return submitted(command.draft, command.isKept);
            // What else comes too early is said again to who leads.
            if (!core) return;
            switch (command.kind) {
                case "retry":
                case "discard": {
                    const { key } = command;
                    const { error, id, ...rest } = items.get(key) ?? {};
                    if (!error) return;
                    if (command.kind === "discard") {
                        items.forget(key);
                        return pipeline.add([["outbox", key]], [() => tell({ kind: "discarded", key })]);
                    }
                    // Under its id it can't come twice.
                    return send(/** @type {Item} */ (OF_ID.includes(error.code) ? rest : { ...rest, id }));
                }
                case "ask":
                    if (asking.has(command.request)) return;
                    asking.add(command.request);
                    return ask(command.request, command.what, command.within);
                case "wants":
                    watching.set(command.tab, command.users);
                    watch();
                    // A tab that comes later is told what the others know.
                    return presences.forEach(tell);
                case "wake":
                case "tick":
                    // Who asks wants to hear something.
                    pipeline.add([], [() => tell({ kind: "status", status })]);
            }
            handle(command);
        },
    };
}
