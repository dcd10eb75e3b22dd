/**
 * One tab: what it has said and has no answer for yet, and its way to the engine, which is its own or that of the tab that leads. Whoever
 * comes to lead is told everything again; nothing is done twice by that. So it does not matter when an engine is loaded: what is sent until
 * then is shown and kept.
 */

/** @import { Answer, AskError, Content, Question } from "./core/words.js" */
/** @import { Consumer, Engine, Options } from "./engine.js" */
/** @import { Command, Draft, Host, Status, Told } from "./host.js" */
/** @import { Store } from "./store/memory.js" */
/** @import { Message } from "./tabs.js" */

import { DunlinError, must } from "./errors.js";
import { later } from "./later.js";
import { createPipeline } from "./pipeline.js";
import { nextKey, randomName } from "./records.js";
import { indexedDbStore } from "./store/indexeddb.js";
import { createKept } from "./store/kept.js";
import { MemoryStore } from "./store/memory.js";
import { canShare, createTabs, nameOfTab } from "./tabs.js";

/** How long a question waits for its answer, in ms. */
const ASK_WITHIN = 10_000;
/** How long the tab that leads may say nothing while this one is looked at; and when a socket that says nothing is dead, and a bit. */
const ANSWERS_WITHIN = 5_050;

/** What runs the core, in the tab that leads. */
const engines = later(() => import("./engine.js"));

/** @typedef {Options & { account: string, store: "indexeddb" | "memory" | Store, tabs: "share" | "alone" }} TabOptions */

/**
 * @param {TabOptions} options
 * @param {(told: Told) => void} tell must not throw
 */
export function createTab(options, tell) {
    const { account, store } = options;
    const name = `dunlin/${account}`;
    const id = randomName();
    /** While this tab leads: with its engine, once that is loaded. @type {{ engine?: Engine } | undefined} */
    let turn;
    /** The engine is loaded ahead, while another tab leads. @type {Promise<unknown> | undefined} */
    let readied;
    /** @type {Status} */
    let status = { state: "connecting" };
    /** What was said and has no answer: sends by key, questions by request, reads by peer. @type {Map<string, Command>} */
    const open = new Map();
    /** @type {Map<string, (answer?: Answer, error?: AskError) => void>} */
    const asks = new Map();
    let asked = 0;
    let wasOnline = false;
    /** The last reign that was heard of. */
    let latest = 0;
    /** Whom somebody looks at. @type {string[]} */
    let watched = [];
    /** @type {Consumer | undefined} */
    let consumer;
    /** Whether the tab that leads has said something since it was asked to. */
    let hears = true;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let poked;
    /** @type {Promise<void> | undefined} */
    let closed;
    const listening = new AbortController();

    const tabs =
        store === "indexeddb" && options.tabs === "share" && canShare() ? createTabs(name, lead, dropped, came) : undefined;
    const kept = createKept(ownStore(), (why, inMemory) => tell({ kind: "storage", why, inMemory }));
    /** What is said is kept before it is handed over. */
    const written = createPipeline(kept.write);

    function ownStore() {
        if (store === "memory") return new MemoryStore();
        if (store !== "indexeddb") return store;
        const isOwn = !tabs && globalThis.document;
        return indexedDbStore(isOwn ? nameOfTab(name, id) : name);
    }

    /** Leads, once the engine is loaded: where that fails it is said, and tried again for as long as it is this tab's turn. */
    async function lead() {
        /** @type {{ engine?: Engine }} */
        const its = (turn = {});
        const isOver = () => its !== turn;
        let module;
        while (!module && !isOver()) {
            module = await engines().catch(({ code, message }) => void (isOver() || tell({ kind: "refused", code, message })));
        }
        if (isOver()) return;
        its.engine = module?.createEngine({ ...options, heard: latest }, kept, () => consumer, (told, reign) => {
            if (!closed) tabs?.post({ told, reign });
            latest = reign;
            take(told);
        }, () => {
            if (isOver()) return;
            void stop();
            // The other one was slow to hear that it leads no more. Where tabs have no locks this one was duplicated.
            if (tabs) void lead();
            else end({ kind: "closed" });
        });
    }

    function stop() {
        const { engine } = turn ?? {};
        turn = undefined;
        return engine?.stop();
    }

    function dropped() {
        void stop();
        again();
        wake();
    }

    function join() {
        tabs?.join();
        again();
        wake();
    }

    /** @param {Message} message */
    function came({ told, reign = 0, command, signOut }) {
        // When this one's turn comes there may be no network, or an engine of another release.
        if (told) readied ??= engines().catch(() => void (readied = undefined));
        // Who leads no more may not know that yet.
        if (told && reign >= latest) take(told);
        latest = Math.max(latest, reign);
        if (command) turn?.engine?.command(command);
        if (signOut) void signedOut().then(kept.close);
    }

    /** Says everything that has no answer. */
    function again() {
        open.forEach(send);
        watch(watched);
    }

    /** @param {Command} command */
    function send(command) {
        // Before the engine is there it hears nothing: when it begins it is told everything again.
        if (turn) turn.engine?.command(command);
        else tabs?.post({ command });
    }

    /**
     * @param {string} name of what has an answer
     * @param {Command} command
     */
    function say(name, command) {
        open.set(name, command);
        send(command);
        if (hears && !turn) poke("tick");
    }

    /** @param {string[]} users */
    function watch(users) {
        watched = users;
        send({ kind: "wants", tab: id, users });
    }

    /** @param {Told} told */
    function take(told) {
        hears = true;
        switch (told.kind) {
            case "leader":
                is(told.status);
                again();
                // Who led before may have died before it told what it had stored.
                if (tabs) tell({ kind: "stale" });
                return;
            case "status":
                return is(told.status);
            case "answered": {
                const { request, answer, error } = /** @type {any} */ (told);
                const command = open.get(request);
                // It is asked again over the next connection.
                if (error?.kind === "disconnected" && command) return send(command);
                return asks.get(request)?.(answer, error);
            }
            case "discarded":
                open.delete(told.key);
                break;
            case "draft": {
                const { key, accepted, error } = told.draft;
                if (accepted || error || open.get(key)?.kind === "retry") open.delete(key);
                break;
            }
            case "marked": {
                const name = `read/${told.with}`;
                if (/** @type {any} */ (open.get(name))?.upto <= told.read) open.delete(name);
                break;
            }
            case "reset":
                // What was said before anybody was welcomed is the new user's, and must be kept again.
                for (const [name, command] of open) {
                    if (wasOnline || command.kind !== "submit") open.delete(name);
                    else command.isKept = false;
                }
        }
        tell(told);
    }

    /** @param {Status} next */
    function is(next) {
        // It is told to whoever asks whether the leading tab is alive.
        if (JSON.stringify(next) === JSON.stringify(status)) return;
        wasOnline ||= next.state === "online";
        status = next;
        tell({ kind: "status", status });
        // Whoever comes later, perhaps with another token, leads for itself.
        if (isEnded() && !closed) end(status.why);
    }

    /** @param {Status["why"]} why */
    function end(why) {
        listening.abort();
        clearTimeout(poked);
        void stop();
        tabs?.leave();
        if (!isEnded()) is({ ...status, state: "ended", why });
        asks.forEach(settle => settle(undefined, { kind: "ended", why: { kind: "closed" } }));
    }

    async function close() {
        await written.idle();
        watch([]);
        await turn?.engine?.close();
        end({ kind: "closed" });
        kept.close();
    }

    async function signedOut() {
        closed ??= Promise.resolve();
        const stopped = stop();
        end({ kind: "signedOut" });
        await stopped;
    }

    const isEnded = () => status.state === "ended";

    function mayAsk() {
        if (isEnded()) throw new DunlinError({ kind: "ended" });
    }

    /** Somebody looks: is the connection alive? */
    const wake = () => poke("wake");

    /**
     * Is the tab that leads alive? It says something to this.
     *
     * @param {"wake" | "tick"} kind
     */
    function poke(kind) {
        send({ kind });
        if (turn || !tabs) return;
        hears = false;
        clearTimeout(poked);
        poked = setTimeout(() => {
            if (turn) return;
            // Timers of a tab that leads in the background may be late.
            if (hears) send({ kind: "tick" });
            else if (globalThis.document?.hidden === false) tabs.steal();
        }, ANSWERS_WITHIN);
    }

    /**
     * @param {EventTarget | undefined} page Programs without one have none.
     * @param {string} event
     * @param {(event: any) => void} act
     */
    const on = (page, event, act) => page?.addEventListener?.(event, act, { signal: listening.signal });

    const { document } = globalThis;
    on(globalThis, "online", wake);
    on(document, "resume", wake);
    on(document, "visibilitychange", () => document.hidden || wake());
    // A page that is put away lets another tab lead; it may come back as it was.
    on(globalThis, "pagehide", () => {
        if (!tabs) return;
        send({ kind: "wants", tab: id, users: [] });
        void stop();
        tabs.leave();
    });
    on(globalThis, "pageshow", ({ persisted }) => {
        if (!persisted) return;
        if (!tabs) return wake();
        tell({ kind: "stale" });
        join();
    });
    if (tabs) join();
    else lead();

    /** @satisfies {Host} */
    const host = {
        get user() {
            return status.user;
        },

        get region() {
            return status.region;
        },

        /**
         * @param {string} to
         * @param {Content} content
         * @returns {Draft}
         */
        submit(to, content) {
            mayAsk();
            const draft = { key: nextKey(), to, content, at: Date.now() };
            take({ kind: "draft", draft });
            written.add([["outbox", draft.key, draft]], [() => say(draft.key, { kind: "submit", draft, isKept: kept.lasts() })]);
            return draft;
        },

        /** @param {string} key */
        retry: key => say(key, { kind: "retry", key }),

        /** @param {string} key */
        discard: key => say(key, { kind: "discard", key }),

        /**
         * @param {string} peer
         * @param {number} upto
         */
        read: (peer, upto) => say(`read/${peer}`, { kind: "read", with: peer, upto }),

        /**
         * @param {string} to
         * @param {string} signal
         */
        signal: (to, signal) => send({ kind: "signal", to, signal }),

        /**
         * @param {Question} what
         * @returns {Promise<any>}
         */
        async ask(what) {
            mayAsk();
            const request = `${id}/${++asked}`;
            return new Promise((resolve, reject) => {
                const late = setTimeout(() => asks.get(request)?.(undefined, { kind: "timedOut" }), ASK_WITHIN);
                asks.set(request, (answer, error) => {
                    clearTimeout(late);
                    open.delete(request);
                    asks.delete(request);
                    if (error) reject(new DunlinError(error));
                    else resolve(answer);
                });
                say(request, { kind: "ask", request, what, within: ASK_WITHIN });
            });
        },

        async peers() {
            return new Set((await kept.keys("entries")).map(key => key.split("/")[0]));
        },

        /**
         * What is kept of a conversation, oldest first, of the entries the latest.
         *
         * @param {string} peer
         * @param {number} limit
         */
        async kept(peer, limit) {
            await written.idle();
            const [entries, outbox, receipts, marks] = await Promise.all([
                kept.read("entries", `${peer}/`, limit),
                kept.read("outbox"),
                kept.read("receipts", `${peer}/`),
                kept.read("marks", peer),
            ]);
            /** @param {[string, any][]} found */
            const values = found => found.reverse().map(([, value]) => value);
            return {
                entries: values(entries),
                drafts: values(outbox).filter(({ to, accepted }) => to === peer && !accepted),
                receipts: values(receipts),
                read: marks.find(([key]) => key === peer)?.[1],
            };
        },
    };

    return {
        host,
        watch,
        status: () => status,

        /** @param {Consumer} its */
        consume(its) {
            must(!tabs, 'it needs tabs: "alone"');
            consumer = its;
        },

        /** Writes what waits, and lets another tab go on. */
        close: () => (closed ??= close()),

        /** Ends in all tabs, and leaves nothing of the user here. */
        async signOut() {
            tabs?.post({ signOut: true });
            await signedOut();
            if (tabs) await tabs.alone(kept.erase);
            else await kept.erase();
        },
    };
}
