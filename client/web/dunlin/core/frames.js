/** What each frame of a gateway means to a client: a part of `Core`, which drives it. */

import { isLog, parseAddress } from "./address.js";
import { parse } from "./parse.js";

/** @import { Core } from "./core.js" */
/** @import { Now, ReceiptFrame } from "./words.js" */

/**
 * @param {Core} core
 * @param {Now} now
 * @param {unknown} frame
 */
export function take(core, now, frame) {
    const { asks, outbox, inbox, link } = core;
    // What was on its way over a connection that was let go of.
    if (link.at === "resting" || link.at === "over") return;
    const known = parse(frame);
    if (!known) return core.letGo(now.steady, { kind: "badFrame" });
    core.heard(now.steady);
    const { welcome, goodbye, answer, refused, signal, presence, accepted, rejected, entry, gap, caught_up: caughtUp } = known;
    const { receipt, marked } = known;
    if (welcome) {
        core.welcomed(now, welcome);
    } else if (goodbye) {
        core.letGo(now.steady, { kind: "goodbye", goodbye });
    } else if (answer) {
        asks.answered(answer.ref, answer.what);
    } else if (refused) {
        const { ref, code, message, retry_after: retryAfter = null } = refused;
        if (ref == null) core.notify({ what: "refused", code, message });
        else asks.settle(ref, { error: { kind: "refused", code, message, retryAfter } });
    } else if (signal) {
        // It tells of this moment: later it is of no use.
        if (core.room) core.notify({ what: "signal", from: signal.from, signal: signal.kind });
    } else if (presence) {
        const { user, state, last_seen: lastSeen = null } = presence;
        core.watching.keep({ user, state, lastSeen });
        core.tellPresence();
    } else if (accepted) {
        const { id, order = null, time } = accepted;
        outbox.accepted(core.serverNow(now), { id, order, time });
    } else if (rejected) {
        outbox.rejected(now.steady, rejected.id, rejected);
    } else if (core.isBehind || !core.room) {
        // It comes again over the next connection, which resumes after what was given.
        core.isBehind ||= Boolean(entry || gap || caughtUp || receipt || marked);
    } else if (receipt) {
        received(core, receipt);
    } else if (marked) {
        if (parseAddress(marked.with)) core.reads.marked(marked.with, marked.read);
        core.notify({ what: "marked", with: marked.with, read: marked.read });
    } else if (entry) {
        const found = inbox.entry(entry);
        if (found?.isGiven) core.notify({ what: "entry", entry, place: found.place });
        else if (found) core.say({ kind: "skip", place: found.place });
    } else if (gap) {
        const { log, from, to, cursor } = gap;
        const { place } = inbox.gap(log, cursor);
        if (isLog(log)) core.notify({ what: "gap", log, from, to, place });
        else core.say({ kind: "skip", place });
        outbox.gap(core.serverNow(now));
    } else if (caughtUp) {
        const { log, seq, cursor } = caughtUp;
        const { place } = inbox.caughtUp(log, seq, cursor);
        if (isLog(log)) core.notify({ what: "caughtUp", log, seq, place });
        else core.say({ kind: "skip", place });
    }
}

/**
 * @param {Core} core
 * @param {ReceiptFrame} receipt
 */
function received(core, receipt) {
    const { to, delivered: upto, since, missing, time } = receipt;
    if (parseAddress(to) && upto != null && since != null) core.outbox.delivered(to, { upto, missing, since, time });
    core.notify({ what: "receipt", receipt });
}
