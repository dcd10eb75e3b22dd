// The messages of a conversation, drawn from the newest back as far as somebody looks.

import { find, finder, soon } from "./dom.js";
import { makeRow, saying } from "./message.js";
import { nameOf } from "./words.js";

/** So many are drawn at first, and more at a time. */
const DRAWN = 80;
/** px from its end in which a conversation is followed. */
const NEAR = 48;

/** `seen` is told when the end is in view. */
export function messagesOf(side, wishes, seen) {
  const [empty, scroll, list, earlier, toEnd] =
    [".empty", ".scroll", ".messages", ".earlier", ".to-end"].map(finder(side));
  let all = [];
  const rows = new Map();
  let limit = DRAWN;
  /** Whether the end is in view. What is new waits until it is. */
  let followed = true;
  let last = "";
  let more = true;
  let asked = false;
  let older = async () => true;
  let stop = () => {};

  const draw = soon(() => {
    const end = (!followed && all.findLastIndex(({ key }) => key === last) + 1) || all.length;
    if (followed) limit = DRAWN;
    const shown = all.slice(Math.max(0, end - limit), end);
    last = shown.at(-1)?.key ?? "";
    place(shown);
    empty.hidden = shown.length > 0;
    // A device that is new here may have only the last one.
    if (!asked && shown.length < 20) bring();
    earlier.hidden = end <= limit && !(more && shown.length);
    toEnd.hidden = end === all.length;
    toEnd.textContent = `${all.length - end} new ↓`;
    if (followed) seen();
  });

  function place(shown) {
    const keys = new Set(shown.map((message) => message.key));
    for (const [key, { node }] of rows) {
      if (!keys.has(key) && rows.delete(key)) node.remove();
    }
    const byId = new Map(all.map((message) => [message.id, message]));
    let next = list.firstElementChild;
    shown.forEach((message, at) => {
      const row = rows.get(message.key) ?? makeRow(wishes);
      rows.set(message.key, row);
      row.draw(message, message.replyTo ? byId.get(message.replyTo) : undefined);
      if (row.node === next) next = next.nextElementSibling;
      else list.insertBefore(row.node, next);
      row.node.classList.toggle("same", message.from === shown[at - 1]?.from && !shown[at - 1].event);
    });
  }

  // The style sheet has it begin at its end: 0 is there.
  scroll.onscroll = () => {
    const near = scroll.scrollTop > -NEAR;
    if (near !== followed) draw();
    followed = near;
  };
  const end = () => {
    scroll.scrollTop = 0;
    followed = true;
    draw();
  };
  toEnd.onclick = end;
  const bring = async () => {
    asked = true;
    more = false;
    more = await older().catch(() => true);
    draw();
  };
  earlier.onclick = () => {
    followed = false;
    limit += DRAWN;
    if (limit > all.length) bring();
    else draw();
  };
  list.onkeydown = (event) => {
    const here = event.target;
    if (here !== list && here.parentNode !== list) return;
    const { previousElementSibling: before, nextElementSibling: after } = here;
    const there = { ArrowUp: here === list ? list.lastElementChild : before, ArrowDown: after }[event.key];
    there?.focus();
    if (there) event.preventDefault();
  };

  const open = (conversation) => {
    stop();
    list.classList.toggle("many", conversation.with[0] === "#");
    older = () => conversation.older(DRAWN);
    more = followed = true;
    asked = false;
    all = conversation.messages.get();
    let heard = all.at(-1)?.key;
    stop = conversation.messages.subscribe((messages) => {
      all = messages;
      draw();
      const last = all.at(-1);
      if (!last || last.key === heard) return;
      heard = last.key;
      if (!last.mine && Date.now() - last.time < 60_000) find(".heard", side).textContent = `${nameOf(last.from)}: ${saying(last)}`;
    });
  };
  return { list, open, end, isFollowed: () => followed };
}
