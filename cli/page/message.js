// One message, and what can be done with it.

import { button, element, fill } from "./dom.js";
import { clockTime, figure, linked, nameOf, titleOf } from "./words.js";

const STATES = { sending: "Sending", sent: "Sent", delivered: "Delivered", read: "Read", failed: "Not sent" };
const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🎉"];

const whose = ({ mine, from }) => (mine ? "You" : nameOf(from));

/** Whether it can be acted on: it is stored, and not taken back. */
export const stands = ({ id, mine, state, deleted }) => id && !deleted && !(mine && /sending|failed/.test(state ?? ""));

export const saying = ({ event, text, attachments }) => (event ? happened(event) : text || attachments.map(titleOf).join(", "));

function happened({ change, by, users }) {
  const who = nameOf(by);
  const names = users.slice(0, 3).map(nameOf).join(", ") + (users.length > 3 ? ` and ${figure(users.length - 3)} more` : "");
  const words = { __proto__: null, created: `made the group with ${names}`, added: `added ${names}`, removed: `removed ${names}`, left: "left" };
  return `${who} ${words[change] ?? `${change} ${names}`}`;
}

const tool = (name, click) => button(name, click, ".quiet.small");

export function makeRow(wish) {
  let message;
  let answered;
  const bubble = element("div.bubble");
  const files = element("div.files.row");
  let shown = "";
  // These stay while the message changes: somebody may be about to press one, and pictures are loaded.
  const tools = element("div.tools", { role: "toolbar", "aria-label": "What to do with it" });
  const under = element("div.under.row.small");
  const node = element("li", { tabindex: -1, pointerenter: arm, focusin: arm, focusout: left, keydown: key }, bubble, tools, under);
  const focus = () => node.focus({ preventScroll: true });

  function arm() {
    if (!tools.firstChild) offer();
  }

  function offer() {
    const emoji = () => EMOJI.map((emoji) => tool(emoji, () => {
      wish.react(message, emoji, !message.reactions.some((reaction) => reaction.emoji === emoji && reaction.mine));
      leave();
    }));
    const sure = () => [tool("Delete for all", () => wish.remove(message)), tool("Keep", leave)];
    fill(tools, ...(stands(message) ? [
      tool("React", () => ask(emoji())),
      tool("Reply", () => wish.reply(message)),
      message.mine && tool("Edit", () => wish.edit(message)),
      message.mine && tool("Delete", () => ask(sure())),
    ] : []));
  }

  function ask(choices) {
    focus();
    fill(tools, ...choices);
    choices[0].focus();
  }

  function leave() {
    focus();
    offer();
  }

  function left({ relatedTarget }) {
    if (!node.contains(relatedTarget)) offer();
  }

  function key(event) {
    if (event.key === "Escape") leave();
    if (event.target !== node || event.ctrlKey || event.metaKey || event.altKey || !stands(message)) return;
    if (event.key === "r") wish.reply(message);
    else if (event.key === "e" && message.mine) wish.edit(message);
    else return;
    event.preventDefault();
  }

  const draw = (now, nowAnswered) => {
    if (now === message && nowAnswered === answered) return;
    [message, answered] = [now, nowAnswered];
    const { mine, state, deleted, replyTo, text, attachments, reactions, error, event } = now;
    const inside = node.contains(document.activeElement);
    // What has the focus is about to go.
    if (inside && !(stands(now) && tools.contains(document.activeElement))) focus();
    node.className = `message ${event ? "event soft small" : mine ? `mine ${state}` : ""} ${deleted ? "deleted" : ""}`;
    if (event) return fill(bubble, happened(event));
    const media = attachments.map((file) => file.media).join();
    if (shown !== media) fill(files, ...attachments.map(wish.show));
    shown = media;
    fill(bubble,
      element("bdi.whose", `${whose(now)}: `),
      replyTo && !deleted && element("div.quote.small.cut",
        element("bdi.strong", answered ? whose(answered) : "Earlier"), " ",
        element("span.soft", { dir: "auto" }, answered && saying(answered))),
      files,
      element("div.text", { dir: "auto" },
        ...(deleted ? ["This message was deleted."] : linked(text ?? (shown ? "" : "(for a program)")))),
      meta(now));
    fill(under,
      ...reactions.map(({ emoji, from, mine }) => element("button", {
        "aria-pressed": mine,
        title: from.map(nameOf).join(", "),
        click: () => wish.react(now, emoji, !mine),
      }, element("bdi", emoji), from.length > 1 && ` ${from.length}`)),
      error && element("span.bad", { dir: "auto" }, `Not sent: ${error.message || error.code}`),
      error && button("Try again", () => now.retry()),
      error && button("Discard", () => now.discard()));
    if (!stands(now)) offer();
    else if (inside || node.matches(":hover")) arm();
  };
  return { node, draw };
}

function meta({ state, edited, time, receipts }) {
  const { delivered = 0, read = 0, of = 0 } = receipts ?? {};
  const how = STATES[state] + (of ? `, read by ${read} of ${of}, on devices of ${delivered}` : "");
  return element("div.meta",
    edited && "edited",
    element("span", clockTime(time)),
    state && element("span.state", { title: how }, element("span.hidden", STATES[state])));
}
