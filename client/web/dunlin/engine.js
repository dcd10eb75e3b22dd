/**
 * Runs the core: feeds it, and does what it says. One for an account, in the tab that leads.
 *
 * What an input changes is stored, in one transaction, before anything that it causes is written or told; what waits for the same
 * transaction shares it. So a message is in the store, with its id, before a socket has it, and an entry with its cursor before it is
 * acknowledged or shown.
 */

/** @import { Change } from "./store/memory.js" */
/** @import { Kept } from "./store/kept.js" */
/** @import { MakeSocket } from "./socket.js" */
/** @import { Tokens } from "./token.js" */
/** @import { Acknowledged, EntryFrame, Input, Notification, Output, Progress, Question } from "./core/words.js" */
/** @import { Command, Draft, Status, Told } from "./host.js" */
/** @import { Item } from "./items.js" */
/** @import { Effect } from "./pipeline.js" */

import { Connection } from "./connection.js";
import { seenFrom } from "./core/address.js";
import { Core } from "./core/core.js";
import { beginning } from "./core/ids.js";
import { Items } from "./items.js";
import { Pipeline } from "./pipeline.js";
import { entryKey, peerOf, randomName } from "./records.js";
import { now, Timer } from "./timer.js";
import { Wants } from "./wants.js";

/** A mailbox keeps entries for so long, in ms. */
const RETENTION = 30 * 86_400_000;
/** Effects that may wait for the store, and entries for a consumer, before nothing more is taken; and at how few that goes on. */
const MOST_WAITING = 4_096;
const FEW_WAITING = 1_024;
/** The request of the engine's own, and how long it waits for its answer, in ms. */
const WATCH = "watch";
const WATCH_WITHIN = 10_000;
/** What is wrong with an id stays wrong. */
const OF_ID = ["bad_id", "too_old", "from_the_future"];

/**
 * @typedef {object} Options
 * @property {string[]} gateways
 * @property {Tokens} tokens
 * @property {MakeSocket} socket
 * @property {Kept} kept
 * @property {string} [device]
 * @property {"live" | "beginning"} [start]
 * @property {{ first?: number, most?: number }} [backoff] ms
 */

export class Engine {
    /** @type {Core | undefined} */
    #core;
    #connection;
    #items;
    #wants = new Wants();
    /** Whose requests the core's numbers are. @type {Map<number, string>} */
    #requests = new Map();
    #last = 0;
    /** @type {Status} */
    #status = { state: "connecting" };
    #pipeline;
    /** @type {Record<string, Acknowledged>} */
    #done = {};
    #room = true;
    #isSwapping = false;
    #isOver = false;
    #alarm = new Timer(() => this.#handle({ kind: "tick" }));

    /**
     * Who processes entries one by one, if somebody does: a cursor waits for that.
     *
     * @type {{ take: (entry: EntryFrame | undefined, done: () => void) => void, readonly waiting: number } | undefined}
     */
    consumer;

    /**
     * @param {Options} options
     * @param {(told: Told) => void} tell must not throw
     */
    constructor(options, tell) {
        this.options = options;
        this.tell = tell;
        this.#items = new Items(options.kept);
        this.#pipeline = new Pipeline(changes => options.kept.write(changes), () => this.#stored());
        this.#connection = new Connection(options.gateways, options.tokens, options.socket, {
            opened: token => this.#handle({ kind: "opened", token }),
            frame: frame => this.#frame(frame),
            lost: why => this.#handle({ kind: "lost", why }),
            renewed: () => this.#swap(),
            failed: error => tell({ kind: "refused", code: "token", message: String(error) }),
        });
    }

    /** Goes on from what is kept. */
    async start() {
        const { kept } = this.options;
        await kept.load();
        this.#items.load();
        await kept.prune(beginning(Date.now() - RETENTION));
        if (!this.#isOver) this.#begin();
    }

    #begin() {
        const { gateways, kept, start = null, backoff } = this.options;
        const { user, region, ...meta } = Object.fromEntries(kept.held("meta"));
        const device = this.options.device ?? meta.device ?? `web-${randomName()}`;
        this.#status = { state: "connecting", user, region, device };
        this.#requests.clear();
        this.#wants.begin();
        this.#core = new Core(
            {
                gateways: gateways.length,
                device,
                cursors: Object.fromEntries(kept.held("cursors")),
                start,
                backoffFirst: backoff?.first ?? 200,
                backoffMost: backoff?.most ?? 30_000,
                connectWithin: 10_000,
                inFlightPerAddress: 1,
                random: Math.random,
                pings: false,
                history: this.#items.accepted,
            },
            now(),
        );
        this.#pipeline.add([["meta", "device", device]], [
            () => this.tell({ kind: "leader", status: this.#status }),
            // Who led before may have died before it could say so.
            ...this.#items.all.map(item => () => this.#tellOf(item)),
        ]);
        this.#items.unsent.forEach(item => this.#submit(item));
        this.#handle({ kind: "tick" });
    }

    /** @param {Command} command */
    command(command) {
        // What comes too early is said again to who leads.
        if (!this.#core) return;
        switch (command.kind) {
            case "submit":
                return void this.#adopt(command.draft, command.isKept);
            case "retry":
                return this.#retry(command.key);
            case "discard":
                return this.#discard(command.key);
            case "ask": {
                const { request, what, within } = command;
                if (![...this.#requests.values()].includes(request)) this.#ask(request, what, within);
                return;
            }
            case "wants":
                this.#wants.set(command.tab, command.users, command.frames);
                this.#watch();
                // A tab that comes later is told what the others know.
                return this.#wants.presences.forEach(told => this.tell(told));
            case "wake":
            case "tick":
                // Who asks wants to hear something.
                this.tell({ kind: "status", status: this.#status });
        }
        this.#handle(command);
    }

    /** Ends, when everything that waits is written. */
    async close() {
        await this.#pipeline.idle();
        this.#handle({ kind: "close" });
        await this.#pipeline.idle();
        await this.stop();
    }

    /** Ends as if it had been killed; what is being stored is stored. */
    stop() {
        this.#isOver = true;
        this.#core = undefined;
        this.#alarm.set(null);
        this.#connection.hangUp()();
        this.#pipeline.stop();
        return this.#pipeline.idle();
    }

    /** @param {Input} input */
    #handle(input) {
        const core = this.#core;
        if (!core) return;
        /** @type {Change[]} */
        const changes = [];
        const effects = core.handle(now(), input).map(output => this.#carryOut(output, changes));
        this.#pipeline.add(changes, effects);
        this.#makeRoom();
        if (this.#core === core) this.#alarm.set(core.nextDeadline);
    }

    /** A transaction is through, and what followed it. */
    #stored() {
        const done = this.#done;
        this.#done = {};
        if (Object.keys(done).length) this.#handle({ kind: "done", done });
        this.#makeRoom();
    }

    #makeRoom() {
        const waiting = this.#pipeline.waiting + (this.consumer?.waiting ?? 0);
        const room = waiting < (this.#room ? MOST_WAITING : FEW_WAITING);
        if (room === this.#room) return;
        this.#room = room;
        this.#handle({ kind: "room", room });
    }

    /**
     * @param {Output} output
     * @param {Change[]} changes
     * @returns {Effect | void}
     */
    #carryOut(output, changes) {
        switch (output.kind) {
            case "dial": {
                const dial = this.#connection.dial(output);
                return this.#isSwapping ? dial : this.#stands({ state: "connecting" }, dial);
            }
            case "write": {
                const write = this.#connection.write(output.frame);
                return () => {
                    write();
                    this.#seen("out", output.frame);
                };
            }
            case "hangUp":
                return this.#connection.hangUp();
            case "named": {
                const { request, id } = output;
                const item = this.#items.get(this.#requests.get(request) ?? "");
                if (!item) return;
                const { key } = item;
                changes.push(["outbox", key, this.#items.put({ ...item, id })]);
                return () => this.tell({ kind: "named", key, id });
            }
            case "settle":
                return this.#settle(output, changes);
            case "answered": {
                const { answer, error } = output;
                const request = this.#requestOf(output.request);
                if (!request) return;
                if (request === WATCH) return void (this.#wants.isTold = !error);
                return () => this.tell({ kind: "answered", request, answer, error });
            }
            case "skip":
                return this.#came(undefined, output.place, changes);
            case "forget": {
                const key = this.#items.keyOf(output.id);
                if (!key) return;
                changes.push(["outbox", key, undefined]);
                return () => this.#items.forget(key);
            }
            case "notify":
                return this.#notify(output, changes);
        }
    }

    /**
     * @param {Notification} notification
     * @param {Change[]} changes
     * @returns {Effect | void}
     */
    #notify(notification, changes) {
        const { what, ...rest } = notification;
        const told = /** @type {any} */ ({ ...rest, kind: what });
        switch (notification.what) {
            case "connected": {
                const { user, device, region } = notification;
                this.#items.isWelcomed = true;
                changes.push(["meta", "user", user], ["meta", "region", region]);
                // Nobody need see that it is another connection.
                if (this.#isSwapping) return void (this.#isSwapping = false);
                return this.#stands({ state: "online", user, device, region }, () => this.#watch());
            }
            case "disconnected": {
                const { why, retryIn } = notification;
                if (this.#isSwapping && why.kind === "slept") return;
                this.#isSwapping = false;
                this.#wants.presences.clear();
                return this.#stands({ state: "offline", why, retryAt: Date.now() + retryIn }, () => this.tell(told));
            }
            case "ended":
                return this.#stands({ state: "ended", why: notification.why });
            case "receipt":
                if (told.receipt.by) changes.push(["receipts", `${told.receipt.by}/${told.receipt.since}`, told.receipt]);
                break;
            case "marked":
                changes.push(["marks", notification.with, notification.read]);
                break;
            case "presence":
                this.#wants.presences.set(notification.user, told);
                break;
            case "gap":
                told.repeated = this.#items.accepted.length;
        }
        return "place" in notification ? this.#came(told, notification.place, changes) : () => this.tell(told);
    }

    /**
     * Takes what came of a log, an entry perhaps: its cursor moves with it, or once it is processed.
     *
     * @param {Told | undefined} told
     * @param {Progress} place
     * @param {Change[]} changes
     */
    #came(told, { log, cursor, gaps, seq }, changes) {
        const { consumer } = this;
        const entry = told && "entry" in told ? told.entry : undefined;
        /** @type {Change} */
        const moved = ["cursors", log, cursor];
        const done = () => void (this.#done[log] = { gaps, seq });
        if (entry) this.#keep(entry, changes);
        if (!consumer) changes.push(moved);
        return () => {
            if (told) this.tell(told);
            if (consumer) consumer.take(entry, () => this.#pipeline.add([moved], [done]));
            else done();
        };
    }

    /**
     * @param {EntryFrame} entry
     * @param {Change[]} changes
     */
    #keep(entry, changes) {
        const { from, id, content } = entry;
        const peer = peerOf(entry, this.#status.user);
        const deleted = /** @type {{ target?: string } | undefined} */ (content.delete)?.target;
        // What was taken back is not kept.
        if (deleted) changes.push(["entries", entryKey(peer, deleted, from), undefined]);
        changes.push(["entries", entryKey(peer, id, from), entry]);
    }

    /**
     * @param {Output & { kind: "settle" }} output
     * @param {Change[]} changes
     * @returns {Effect | void}
     */
    #settle({ request, accepted, error }, changes) {
        const key = this.#requestOf(request) ?? "";
        const item = this.#items.get(key);
        // What is not sent when the client ends is sent by the next one.
        if (!item || error?.kind === "ended") return;
        const { to, content } = item;
        if (accepted) {
            const { user = "", region = "" } = this.#status;
            changes.push(["outbox", key, this.#items.put({ ...item, accepted })]);
            this.#keep({ log: "mailbox", seq: 0, cursor: "", ...accepted, from: user, to: seenFrom(to, region), content }, changes);
            return () => this.tell({ kind: "settled", key, to, content, accepted });
        }
        const { code = "", message = "" } = error ?? {};
        // Of an edit that failed nothing is shown, so that nobody could try it again.
        const failed = content.message && this.#items.put({ ...item, error: { code, message } });
        changes.push(["outbox", key, failed || undefined]);
        return () => {
            if (!failed) this.#items.forget(key);
            this.tell({ kind: "settled", key, to, content, error: { code, message } });
        };
    }

    /** @param {number | null} number */
    #requestOf(number) {
        const request = number === null ? undefined : this.#requests.get(number);
        if (request) this.#requests.delete(/** @type {number} */ (number));
        return request;
    }

    /** @param {string} of */
    #request(of) {
        this.#requests.set(++this.#last, of);
        return this.#last;
    }

    /** @param {Item} item */
    #submit({ key, to, content, id }) {
        this.#handle({ kind: "submit", request: this.#request(key), to, content, id });
    }

    /**
     * @param {Draft} draft
     * @param {boolean} isKept
     */
    async #adopt(draft, isKept) {
        const { key, to } = draft;
        const found = await this.#items.adopt(draft, isKept);
        if (found === "gone") return this.tell({ kind: "gone", key, to });
        if (found === "new") return this.#send(draft);
        this.#tellOf(/** @type {Item} */ (this.#items.get(key)));
    }

    /** @param {Item} item */
    #tellOf(item) {
        const { key, to, content, accepted, error } = item;
        if (accepted) this.tell({ kind: "settled", key, to, content, accepted });
        else if (error) this.tell({ kind: "settled", key, to, content, error });
        else this.tell({ kind: "draft", draft: item });
    }

    /** @param {Item} item */
    #send(item) {
        this.#pipeline.add([["outbox", item.key, item]], [() => this.tell({ kind: "draft", draft: item })]);
        this.#submit(item);
    }

    /** @param {string} key */
    #retry(key) {
        const failed = this.#items.get(key);
        if (!failed?.error) return;
        const { error, id, ...rest } = failed;
        // Under its id it can't come twice.
        this.#send(this.#items.put(id && !OF_ID.includes(error.code) ? { ...rest, id } : rest));
    }

    /** @param {string} key */
    #discard(key) {
        if (!this.#items.get(key)?.error) return;
        this.#items.forget(key);
        this.#pipeline.add([["outbox", key, undefined]], [() => this.tell({ kind: "discarded", key })]);
    }

    /**
     * @param {string} request
     * @param {Question} what
     * @param {number} within
     */
    #ask(request, what, within) {
        this.#handle({ kind: "ask", request: this.#request(request), what, until: now().steady + within });
    }

    #watch() {
        const users = this.#wants.take();
        if (users) this.#ask(WATCH, { watch: { users } }, WATCH_WITHIN);
    }

    /** @param {any} frame */
    #frame(frame) {
        this.#seen("in", frame);
        const { welcome } = frame ?? {};
        const { user } = this.#status;
        if (welcome && user && user !== welcome.user) return void this.#reset(welcome.user);
        this.#handle({ kind: "frame", frame });
        if (welcome) this.#connection.welcomed(welcome.server_time);
    }

    /**
     * Shows a frame to whoever looks at them.
     *
     * @param {"in" | "out"} direction
     * @param {any} frame
     */
    #seen(direction, frame) {
        if (!this.#wants.frames) return;
        const shown = frame?.hello ? { hello: { ...frame.hello, token: "…" } } : frame;
        this.tell({ kind: "frame", direction, frame: shown });
    }

    /** Over to a connection with another token; what is under way goes on over that one. */
    #swap() {
        this.#isSwapping = true;
        this.#pipeline.add([], [this.#connection.hangUp()]);
        this.#handle({ kind: "lost", why: { kind: "slept" } });
    }

    /**
     * What is kept is another user's: nothing of it is sent, shown or acknowledged.
     *
     * @param {string} user
     */
    async #reset(user) {
        const { kept } = this.options;
        this.#core = undefined;
        this.#pipeline.add([], [this.#connection.hangUp()]);
        await this.#pipeline.idle();
        await kept.clear();
        await kept.write([["meta", "user", user]]);
        this.#items.forgetOld();
        if (this.#isOver) return;
        this.tell({ kind: "reset" });
        this.#begin();
    }

    /**
     * @param {Partial<Status> & Pick<Status, "state">} news
     * @param {Effect} [then]
     */
    #stands(news, then) {
        const { user, device, region } = this.#status;
        const status = (this.#status = { user, device, region, ...news });
        return () => {
            this.tell({ kind: "status", status });
            then?.();
        };
    }
}
