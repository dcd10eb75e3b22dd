// A gateway at the other end of a WebSocket-like: it stores mailboxes, and answers as the protocol says. What a test wants to go wrong, it
// makes go wrong.

const text = value => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token, unsigned: nobody here verifies it. */
export const token = (sub, claims = {}) => `${text({ alg: "none" })}.${text({ sub, ...claims })}.`;

const subject = token => JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sub;

class Socket {
    constructor(gateway, url, protocols) {
        Object.assign(this, { gateway, url, protocols, onopen: null, onmessage: null, onclose: null, isOpen: false, isOver: false });
        queueMicrotask(() => {
            if (this.isOver) return;
            if (gateway.isDown) return this.end({ code: 1006 });
            this.isOpen = true;
            gateway.sockets.add(this);
            this.onopen?.({});
        });
    }

    send(data) {
        if (!this.isOpen) throw new Error("InvalidStateError");
        const frame = JSON.parse(data);
        this.gateway.frames.push(frame);
        queueMicrotask(() => !this.isSwallowed && this.isOpen && this.gateway.take(this, frame));
    }

    say(frame) {
        queueMicrotask(() => !this.isSwallowed && this.isOpen && this.onmessage?.({ data: JSON.stringify(frame) }));
    }

    close(code = 1005) {
        this.end({ code, reason: "" });
    }

    end(event) {
        if (this.isOver) return;
        this.isOver = true;
        this.isOpen = false;
        this.gateway.sockets.delete(this);
        queueMicrotask(() => this.onclose?.({ reason: "", ...event }));
    }
}

export class Gateway {
    constructor() {
        this.sockets = new Set();
        this.mailboxes = new Map();
        this.stored = new Map();
        this.marks = new Map();
        this.frames = [];
        this.dials = [];
        this.isDown = false;
        this.holds = false;
        this.ahead = 0;
        this.region = "local";
        /** What to answer to a send with instead of storing it. */
        this.rejects = undefined;
        this.answers = {};
        this.socket = (url, protocols) => {
            this.dials.push({ url, protocols });
            return new Socket(this, url, protocols);
        };
    }

    get now() {
        return Date.now() + this.ahead;
    }

    mailbox(user) {
        if (!this.mailboxes.has(user)) this.mailboxes.set(user, []);
        return this.mailboxes.get(user);
    }

    /** Frames of this kind that came. */
    came(kind) {
        return this.frames.flatMap(frame => (kind in frame ? [frame[kind]] : []));
    }

    take(socket, frame) {
        const [[kind, said]] = Object.entries(frame);
        this[`on_${kind}`]?.(socket, said);
    }

    on_hello(socket, { token, device, cursors }) {
        Object.assign(socket, { user: subject(token), device, token });
        const { user } = socket;
        socket.say({ welcome: { user, device, region: this.region, server_time: this.now, limits: { frame: 262144, body: 32768 } } });
        const cursor = cursors.mailbox;
        const after = cursor === "live" ? Infinity : Number(cursor?.slice(1) ?? 0);
        for (const entry of this.mailbox(user)) if (entry.seq > after) socket.say({ entry });
        const seq = this.mailbox(user).length;
        socket.say({ caught_up: { log: "mailbox", seq, cursor: `c${seq}` } });
    }

    on_send(socket, { id, to, content }) {
        if (this.holds) return;
        if (this.rejects) return socket.say({ rejected: { id, retry_after: null, message: "no", ...this.rejects } });
        const key = `${socket.user}/${to}/${id}`;
        const answer = this.stored.get(key) ?? this.store(socket.user, to, id, content);
        this.stored.set(key, answer);
        socket.say({ accepted: answer });
    }

    on_ask(socket, { ref, what }) {
        const [[kind, said]] = Object.entries(what);
        if (this.mute) return;
        const answer = this.answers[kind]?.(said, socket) ?? { done: {} };
        if (answer.refused) socket.say({ refused: { ref, retry_after: null, message: "no", ...answer.refused } });
        else socket.say({ answer: { ref, what: answer } });
    }

    on_read(socket, { with: peer, upto }) {
        this.tell(socket.user, { marked: { with: peer, read: upto } });
    }

    on_signal(socket, { to, kind }) {
        this.tell(to, { signal: { from: socket.user, kind } });
    }

    store(from, to, id, content) {
        const mailbox = this.mailbox(to);
        const seq = mailbox.length + 1;
        const entry = { log: "mailbox", seq, cursor: `c${seq}`, time: this.now, id, from, to, order: seq, content };
        mailbox.push(entry);
        this.tell(to, { entry });
        return { id, order: seq, time: entry.time };
    }

    tell(user, frame) {
        for (const socket of this.sockets) if (socket.user === user) socket.say(frame);
    }

    /** The sockets that are there stay open, and nothing goes through them any more. */
    swallow() {
        for (const socket of this.sockets) socket.isSwallowed = true;
    }

    drop(code = 1006) {
        for (const socket of [...this.sockets]) socket.end({ code });
    }

    goodbye(code) {
        for (const socket of [...this.sockets]) socket.say({ goodbye: { code, message: code, retry_after: null } });
    }
}

/** Waits until this is so. */
export async function until(what, within = 5_000) {
    const deadline = performance.now() + within;
    for (;;) {
        const found = await what();
        if (found) return found;
        if (performance.now() > deadline) throw new Error(`not within ${within} ms: ${what}`);
        await new Promise(resolve => setTimeout(resolve, 5));
    }
}
