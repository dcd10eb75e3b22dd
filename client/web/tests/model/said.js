// What alice hears: entries of hers and of bob's, and how a conversation is written down in a line.

import { createFold } from "../../dunlin/conversation/fold.js";

export const id = number => `01JD${String(number).padStart(22, "0")}`;
export const text = text => ({ message: { text, data: null, attachments: [], reply_to: null } });
export const edit = (target, text) => ({ edit: { target: id(target), text, data: null } });
export const taken = target => ({ delete: { target: id(target) } });
export const react = (target, emoji, on = true) => ({ react: { target: id(target), emoji, on } });

/** Accepted at a time that is its id, its order and its sequence as well. */
export const said = (from, to, number, content) => ({
    log: "mailbox", seq: number, cursor: `c${number}`, time: number, id: id(number), from, to, order: number, content,
});
export const mine = (number, content) => said("alice", "bob", number, content);
export const theirs = (number, content) => said("bob", "alice", number, content);

/** A message as a page of history has it. */
export const past = (entry, now, edited = null, reactions = []) => ({
    ...entry, content: text(now), edited, reactions: reactions.map(([from, emoji, time]) => ({ from, emoji, time })),
});

export const receipt = (delivered, read, since = 0, time = 4, missing = []) => ({
    by: "bob", to: "bob", order: null, delivered, read, of: null, time, since, missing,
});

export const begun = () => createFold("bob", () => "alice", Object.freeze);

export function folded(entries) {
    const fold = begun();
    for (const entry of entries) fold.entry({ entry });
    return fold;
}

const one = ({ from, text, deleted, edited, reactions, state, error }) => {
    const given = reactions.map(({ emoji, from }) => ` ${emoji}${from.join("+")}`).join("");
    return `${from}: ${deleted ? "-" : text}${edited ? "*" : ""}${given}${state ? ` ${state}` : ""}${error ? `(${error.code})` : ""}`;
};

/** The messages in a line: who, what, whether it was edited, reactions, and how far one's own are. */
export const shown = messages => messages.map(one).join(", ");
