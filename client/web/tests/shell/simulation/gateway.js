// A gateway, as the library can see it: it stores each id once, in the order in which it comes; it is late, says a thing twice or never,
// refuses for now, and drops connections.

const USER = "alice";

export class Gateway {
    constructor(world) {
        Object.assign(this, { world, isOffline: false, isQuiet: false, faults: 0, lacks: 0 });
        /** Open connections. @type {Map<object, { device: string, isDead: boolean, readyAt: number }>} */
        this.links = new Map();
        this.log = [];
        this.stored = new Map();
        this.orders = new Map();
        this.delivered = new Map();
    }

    fails(of = 1) {
        return this.world.chance(this.faults * of);
    }

    late() {
        return this.world.one([1, 5, 20, 20, 100, ...(this.faults ? [3_000] : [])]);
    }

    dialled(socket) {
        const { world } = this;
        const tries = () => {
            if (this.isOffline || this.fails()) return socket.tell(this.late(), () => socket.ended(1006));
            const link = { device: undefined, isDead: false, comes: world.steady, goes: world.steady };
            this.links.set(socket, link);
            socket.tell(this.late(), () => socket.opened());
        };
        world.after(this.late(), tries, socket.tab, "dial");
    }

    /** A frame is on its way here, behind those before it. */
    came(socket, text) {
        const link = this.links.get(socket);
        if (!link || link.isDead) return;
        link.comes = Math.max(link.comes, this.world.steady + this.late());
        this.world.after(link.comes - this.world.steady, () => {
            if (this.links.get(socket) !== link || link.isDead) return;
            const [[kind, said]] = Object.entries(JSON.parse(text));
            this[`on_${kind}`]?.(socket, said);
        });
    }

    say(socket, frame) {
        const link = this.links.get(socket);
        if (!link || link.isDead) return;
        link.goes = Math.max(link.goes, this.world.steady + this.late());
        const data = JSON.stringify(frame);
        socket.tell(link.goes - this.world.steady, () => socket.state === "open" && socket.onmessage?.({ data }));
    }

    tell(frame, but) {
        for (const [socket, { device }] of this.links) if (device && socket !== but) this.say(socket, frame);
    }

    /** The other end of a socket is gone: what was on its way may come, or not. A `hello` that comes late would replace who came after. */
    lost(socket) {
        const isNew = !this.links.get(socket)?.device;
        this.world.after(isNew ? 0 : this.late(), () => this.links.delete(socket));
    }

    drop(socket) {
        if (this.links.delete(socket)) socket.tell(this.late(), () => socket.ended(1006));
    }

    dropAll() {
        for (const socket of [...this.links.keys()]) this.drop(socket);
    }

    /** Connections stay open, and nothing goes through them. */
    silence() {
        for (const link of this.links.values()) link.isDead = true;
    }

    on_hello(socket, { device, cursors }) {
        for (const [other, link] of this.links) {
            if (link.device !== device) continue;
            this.say(other, { goodbye: { code: "replaced", message: "replaced", retry_after: null } });
            this.world.after(1, () => this.links.delete(other));
        }
        this.links.get(socket).device = device;
        this.world.note(`${socket.tab.name} is connected`);
        const time = this.world.wall;
        this.say(socket, { welcome: { user: USER, device, region: "local", server_time: time, limits: { frame: 262144, body: 32768 } } });
        const after = Number(cursors.mailbox?.slice(1) ?? 0);
        for (const entry of this.log.slice(after)) this.say(socket, { entry });
        this.say(socket, { caught_up: { log: "mailbox", seq: this.log.length, cursor: `c${this.log.length}` } });
        for (const peer of this.delivered.keys()) this.say(socket, this.receipt(peer));
    }

    on_send(socket, { id, to, content }) {
        if (this.fails(0.5)) return this.drop(socket);
        if (this.fails(0.5)) return this.say(socket, { rejected: { id, code: "rate_limited", message: "later", retry_after: 500 } });
        const key = `${to}/${id}`;
        let answer = this.stored.get(key);
        if (!answer) {
            const order = (this.orders.get(to) ?? 0) + 1;
            this.orders.set(to, order);
            answer = { id, order, time: this.world.wall };
            this.stored.set(key, answer);
            this.world.note(`stored from ${socket.tab.name}: ${content.message.text} as ${id}`);
            this.add({ id, from: USER, to, order, content }, this.fails() ? undefined : socket);
            this.world.after(this.world.below(5_000), () => this.deliver(to, order));
        }
        if (this.fails(0.3)) return this.drop(socket);
        this.say(socket, { accepted: answer });
        if (this.fails()) this.say(socket, { accepted: answer });
    }

    on_ask(socket, { ref }) {
        this.say(socket, { answer: { ref, what: { done: {} } } });
    }

    add(said, but) {
        const seq = this.log.length + 1;
        const entry = { log: "mailbox", seq, cursor: `c${seq}`, time: this.world.wall, ...said };
        this.log.push(entry);
        this.tell({ entry }, but);
    }

    /** A peer says something. */
    peerSays(peer, id, text) {
        const order = this.log.length + 1;
        this.add({ id, from: peer, to: USER, order, content: { message: { text, attachments: [] } } });
    }

    receipt(peer) {
        const { world, delivered } = this;
        return { receipt: { by: peer, to: peer, delivered: delivered.get(peer), read: null, time: world.wall, since: 1, missing: [] } };
    }

    deliver(peer, order) {
        if (order <= (this.delivered.get(peer) ?? 0)) return;
        this.delivered.set(peer, order);
        this.tell(this.receipt(peer));
    }

    heal() {
        this.faults = this.lacks = 0;
        this.isOffline = false;
        for (const peer of this.orders.keys()) this.deliver(peer, this.orders.get(peer));
    }
}
