/**
 * One tab: what it has said and has no answer for yet, and its way to the engine, which is its own or that of the tab that leads. Whoever
 * comes to lead is told everything again; nothing is done twice by that.
 */

/** @import { Answer, AskError, Content, Question } from "./core/words.js" */
/** @import { Options } from "./engine.js" */
/** @import { Command, Draft, Host, Status, Told } from "./host.js" */
/** @import { Store } from "./store/memory.js" */
/** @import { Message } from "./tabs.js" */

import { Engine } from "./engine.js";
import { DunlinError } from "./errors.js";
import { checkAddress, checkContent, nextKey, randomName } from "./records.js";
import { IndexedDbStore } from "./store/indexeddb.js";
import { Kept } from "./store/kept.js";
import { MemoryStore } from "./store/memory.js";
import { canShare, nameOfTab, Tabs } from "./tabs.js";

/** How long a question waits for its answer, in ms. */
const ASK_WITHIN = 10_000;
/** How long the tab that leads may say nothing while this one is looked at; and when a socket that says nothing is dead, and a bit. */
const ANSWERS_WITHIN = 5_050;

/**
 * @typedef {Omit<Options, "kept"> & { account: string, store: "indexeddb" | "memory" | Store, tabs: "share" | "alone" }} TabOptions
 */

/** @implements {Host} */
export class Tab {
    #id = randomName();
    #tabs;
    /** @type {Engine | undefined} */
    #engine;
    /** @type {Promise<Kept>} */
    #kept;
    /** What was said and has no answer: sends by key, questions by request, reads by peer. @type {Map<string, Command>} */
    #open = new Map();
    /** @type {Map<string, (answer: Answer | undefined, error: AskError | undefined) => void>} */
    #asks = new Map();
    #asked = 0;
    /** @type {Set<Promise<void>>} */
    #writes = new Set();
    /** @type {{ users: string[], frames: boolean }} */
    #wants = { users: [], frames: false };
    /** @type {Status} */
    status = { state: "connecting" };
    /** Whether the tab that leads has said something since it was asked to. */
    #hears = true;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #poked;
    /** @type {Promise<void> | undefined} */
    #closed;
    #stopListening = new AbortController();
    /** @type {Engine["consumer"]} */
    #consumer;

    /**
     * @param {TabOptions} options
     * @param {(told: Told) => void} tell must not throw
     */
    constructor(options, tell) {
        this.options = options;
        this.tell = tell;
        const { account, store, tabs } = options;
        const name = `dunlin/${account}`;
        if (store === "indexeddb" && tabs === "share" && canShare()) {
            this.#tabs = new Tabs(name, {
                lead: () => void this.#lead(),
                dropped: () => this.#dropped(),
                came: message => this.#came(message),
            });
            this.#kept = Promise.resolve(this.#keep(new IndexedDbStore(name)));
        } else if (store === "indexeddb") {
            const isPage = Boolean(globalThis.document);
            const own = isPage ? nameOfTab(account, randomName).then(tab => `${name}/${tab}`) : Promise.resolve(name);
            this.#kept = own.then(own => this.#keep(new IndexedDbStore(own)));
        } else {
            this.#kept = Promise.resolve(this.#keep(store === "memory" ? new MemoryStore() : store));
        }
        this.#listen();
        if (this.#tabs) this.#join();
        else void this.#lead();
    }

    get user() {
        return this.status.user;
    }

    get region() {
        return this.status.region;
    }

    /**
     * @param {string} to
     * @param {Content} content
     * @returns {Draft}
     */
    submit(to, content) {
        checkAddress(to);
        checkContent(content);
        this.#mayAsk();
        const draft = { key: nextKey(), to, content, at: Date.now() };
        this.#told({ kind: "draft", draft });
        if (this.#engine || !this.#tabs) this.#do(draft.key, { kind: "submit", draft, isKept: false });
        else this.#writing(this.#store(draft));
        return draft;
    }

    /** @param {Draft} draft */
    async #store(draft) {
        const kept = await this.#kept;
        await kept.write([["outbox", draft.key, draft]]);
        this.#do(draft.key, { kind: "submit", draft, isKept: Boolean(kept.store) });
    }

    /** @param {Promise<void>} write */
    #writing(write) {
        this.#writes.add(write);
        void write.finally(() => this.#writes.delete(write));
    }

    /** @param {string} key */
    retry(key) {
        this.#do(key, { kind: "retry", key });
    }

    /** @param {string} key */
    discard(key) {
        this.#do(key, { kind: "discard", key });
    }

    /**
     * @param {string} peer
     * @param {number} upto
     */
    read(peer, upto) {
        this.#do(`read/${peer}`, { kind: "read", with: peer, upto });
    }

    /**
     * @param {string} to
     * @param {string} signal
     */
    signal(to, signal) {
        this.#send({ kind: "signal", to, signal });
    }

    /**
     * @param {Question} what
     * @param {number} [within] ms
     * @returns {Promise<any>}
     */
    async ask(what, within = ASK_WITHIN) {
        this.#mayAsk();
        const request = `${this.#id}/${++this.#asked}`;
        const late = setTimeout(() => this.#settle(request, undefined, { kind: "timedOut" }), within);
        return new Promise((resolve, reject) => {
            this.#asks.set(request, (answer, error) => {
                clearTimeout(late);
                this.#open.delete(request);
                this.#asks.delete(request);
                if (error) reject(DunlinError.of(error));
                else resolve(answer);
            });
            this.#do(request, { kind: "ask", request, what, within });
        });
    }

    /**
     * @param {string} request
     * @param {Answer | undefined} answer
     * @param {AskError | undefined} error
     */
    #settle(request, answer, error) {
        this.#asks.get(request)?.(answer, error);
    }

    /**
     * What is kept of a conversation, oldest first: the latest entries, below the id `before` where there is one.
     *
     * @param {string} peer
     * @param {number} limit
     * @param {string} [before]
     */
    async kept(peer, limit, before) {
        const kept = await this.#kept;
        const [entries, outbox, receipts, marks] = await Promise.all([
            kept.read("entries", `${peer}/`, `${peer}/${before ?? "~"}`, limit),
            kept.read("outbox"),
            kept.read("receipts", `${peer}/`, `${peer}/~`),
            kept.read("marks", peer, `${peer}\0`),
        ]);
        return {
            entries: entries.reverse().map(([, entry]) => entry),
            drafts: outbox.reverse().flatMap(([, item]) => (item.to === peer && !item.accepted ? [item] : [])),
            receipts: receipts.map(([, receipt]) => receipt),
            read: /** @type {number | undefined} */ (marks[0]?.[1]),
        };
    }

    /** @param {Partial<{ users: string[], frames: boolean }>} wants */
    want(wants) {
        this.#wants = { ...this.#wants, ...wants };
        this.#send({ kind: "wants", tab: this.#id, ...this.#wants });
    }

    /** @param {NonNullable<Engine["consumer"]>} consumer */
    consume(consumer) {
        if (this.#tabs) throw new TypeError('entries() goes with the store "memory", a store of your own, or tabs: "alone"');
        this.#consumer = consumer;
        if (this.#engine) this.#engine.consumer = consumer;
    }

    /** Writes what waits, and lets another tab go on. */
    close() {
        return (this.#closed ??= this.#close());
    }

    async #close() {
        await Promise.all(this.#writes);
        this.want({ users: [], frames: false });
        const engine = this.#engine;
        if (engine) engine.tell = told => this.#told(told);
        await engine?.close();
        this.#end({ kind: "closed" });
        (await this.#kept).close();
    }

    /** Ends in all tabs, and leaves nothing of the user here. */
    async signOut() {
        this.#tabs?.post({ signOut: true });
        await this.#signedOut();
        const kept = await this.#kept;
        if (this.#tabs) await this.#tabs.alone(() => kept.erase());
        else await kept.erase();
    }

    async #signedOut() {
        const engine = this.#engine;
        this.#end({ kind: "signedOut" });
        this.#closed = Promise.resolve();
        await engine?.stop();
    }

    /** @param {NonNullable<Status["why"]>} why */
    #end(why) {
        this.#stopListening.abort();
        void this.#engine?.stop();
        this.#engine = undefined;
        this.#tabs?.leave();
        if (this.status.state !== "ended") this.#told({ kind: "status", status: { ...this.status, state: "ended", why } });
        for (const request of this.#asks.keys()) this.#settle(request, undefined, { kind: "ended", why: /** @type {any} */ (why) });
    }

    #mayAsk() {
        if (this.status.state === "ended") throw DunlinError.of({ kind: "ended" });
    }

    /** @param {Store} store */
    #keep(store) {
        return new Kept(store, (why, inMemory) => this.tell({ kind: "storage", why, inMemory }));
    }

    async #lead() {
        const kept = await this.#kept;
        if (this.#closed) return;
        const engine = new Engine({ ...this.options, kept }, told => {
            this.#tabs?.post({ told });
            this.#told(told);
        });
        engine.consumer = this.#consumer;
        this.#engine = engine;
        await engine.start();
    }

    #dropped() {
        void this.#engine?.stop();
        this.#engine = undefined;
        this.#join();
    }

    #join() {
        this.#tabs?.join();
        this.#again();
        this.#wake();
    }

    /** @param {Message} message */
    #came(message) {
        if ("signOut" in message) void this.#signedOut().then(async () => (await this.#kept).close());
        else if ("command" in message) this.#engine?.command(message.command);
        else this.#told(message.told);
    }

    /** Says everything that has no answer. */
    #again() {
        for (const command of this.#open.values()) this.#send(command);
        this.want({});
    }

    /**
     * @param {string} name of what has an answer
     * @param {Command} command
     */
    #do(name, command) {
        this.#open.set(name, command);
        this.#send(command);
        if (!this.#engine && this.#hears) this.#poke("tick");
    }

    /** @param {Command} command */
    #send(command) {
        if (this.#engine) this.#engine.command(command);
        else this.#tabs?.post({ command });
    }

    /** @param {Told} told */
    #told(told) {
        this.#hears = true;
        switch (told.kind) {
            case "leader":
                this.#is(told.status);
                return this.#again();
            case "status":
                return this.#is(told.status);
            case "answered":
                return this.#answered(told);
            case "settled":
            case "discarded":
            case "gone":
                this.#open.delete(told.key);
                break;
            case "draft":
                if (this.#open.get(told.draft.key)?.kind === "retry") this.#open.delete(told.draft.key);
                break;
            case "marked": {
                const name = `read/${told.with}`;
                const read = this.#open.get(name);
                if (read?.kind === "read" && read.upto <= told.read) this.#open.delete(name);
                break;
            }
            case "reset":
                this.#open.clear();
        }
        this.tell(told);
    }

    /** @param {Status} status */
    #is(status) {
        // It is told to whoever asks whether the leading tab is alive.
        if (JSON.stringify(status) === JSON.stringify(this.status)) return;
        this.status = status;
        this.tell({ kind: "status", status });
        // Whoever comes later, perhaps with another token, leads for itself.
        if (status.state === "ended" && status.why?.kind !== "closed") this.#end(status.why ?? { kind: "closed" });
    }

    /** @param {Told & { kind: "answered" }} told */
    #answered({ request, answer, error }) {
        const command = this.#open.get(request);
        // It is asked again over the next connection.
        if (error?.kind === "disconnected" && command) return this.#send(command);
        this.#settle(request, answer, error);
    }

    #listen() {
        const { document } = globalThis;
        const { signal } = this.#stopListening;
        const wake = () => this.#wake();
        globalThis.addEventListener?.("online", wake, { signal });
        document?.addEventListener("resume", wake, { signal });
        document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), { signal });
        // A page that is put away lets another tab lead; it may come back as it was.
        globalThis.addEventListener?.("pagehide", () => this.#putAway(), { signal });
        globalThis.addEventListener?.("pageshow", event => event.persisted && this.#takenOut(), { signal });
    }

    #putAway() {
        if (!this.#tabs) return;
        this.#send({ kind: "wants", tab: this.#id, users: [], frames: false });
        void this.#engine?.stop();
        this.#engine = undefined;
        this.#tabs.leave();
    }

    #takenOut() {
        if (!this.#tabs) return this.#wake();
        this.tell({ kind: "stale" });
        this.#join();
    }

    /** Somebody looks: is the connection alive? */
    #wake() {
        this.#poke("wake");
    }

    /**
     * Is the tab that leads alive? It says something to this.
     *
     * @param {"wake" | "tick"} kind
     */
    #poke(kind) {
        this.#send({ kind });
        if (this.#engine || !this.#tabs) return;
        this.#hears = false;
        clearTimeout(this.#poked);
        this.#poked = setTimeout(() => {
            if (this.#closed || this.#engine) return;
            // Timers of a tab that leads in the background may be late.
            if (this.#hears) this.#send({ kind: "tick" });
            else if (globalThis.document?.visibilityState === "visible") this.#tabs?.steal();
        }, ANSWERS_WITHIN);
    }
}
