// One person on one device: their client with a store of its own, what they see, and their network.

import { connect } from "/dunlin.js";
import { composer } from "./composer.js";
import { element, find as findIn, soon } from "./dom.js";
import { happened } from "./message.js";
import { messagesOf } from "./messages.js";
import { Network } from "./network.js";
import { clockTime, nameGroup, nameOf } from "./words.js";

/** @import { Conversation } from "/dunlin.js" */

/** No more often than this, in ms, a client says what was read. */
const READ_EVERY = 250;

export function openSide(who, gateways, acted, tellUnread) {
  const node = findIn("#side").content.firstElementChild.cloneNode(true);
  const find = (selector) => findIn(selector, node);
  const put = (selector, words) => (find(selector).textContent = words);
  const [offline, slow, select] = [".offline", ".slow", ".peer select"].map(find);
  const network = new Network();
  let { peer } = who;
  let active = false;
  let unread = 0;
  let readTimer = 0;
  let stop = () => {};
  /** @type {Conversation} */
  let conversation;

  node.dataset.name = who.name;
  node.ariaLabel = who.title;
  put("h2", who.title);
  put(".avatar", who.title[0]);
  const client = connect({
    url: gateways,
    account: who.name,
    socket: network.socket,
    getToken: () => token(who.user),
  });

  /** Whether it could be done. */
  const act = (deed, content) => {
    const failed = (error) => notice(`That did not work: ${reason(error)}`);
    try {
      deed().catch?.(failed);
      acted({ from: who.user, to: peer, content });
      return true;
    } catch (error) {
      return failed(error);
    }
  };
  const messages = messagesOf(node, {
    reply: (message) => write.begin(message),
    edit: (message) => write.begin(message, true),
    remove: (message) => act(() => message.delete(), { delete: { target: message.id } }),
    react: (message, emoji, on) => act(() => message.react(emoji, on), { react: { target: message.id, emoji, on } }),
    retry: (message) => message.retry(),
    discard: (message) => message.discard(),
  }, read);
  const write = composer(node, {
    send: (text, replyTo) => {
      messages.end();
      return act(() => conversation.send({ text, replyTo }), { message: { text, reply_to: replyTo } });
    },
    edit: (message, text) => act(() => message.edit(text), { edit: { target: message.id, text } }),
    typed: () => conversation.keystroke(),
    lastOwn: () => conversation.messages.get().findLast(({ mine, deleted, event }) => mine && !deleted && !event),
  });

  /** What is seen is read, if somebody sits before this device just now. */
  function read() {
    const reads = () => active && unread && messages.isFollowed() && !document.hidden;
    if (readTimer || !reads()) return;
    readTimer = setTimeout(() => {
      readTimer = 0;
      if (reads()) conversation.markRead();
    }, READ_EVERY);
  }

  function notice(words) {
    put(".notice p", words);
    find(".notice").hidden = false;
  }

  /** What a group is called is known later than its address. */
  function tellName() {
    const name = nameOf(peer);
    put(".peer bdi", name);
    put(".empty", `Say hello to ${name}. Then take something away: the network, a server, all of them.`);
    write.text.placeholder = write.text.ariaLabel = `Message to ${name}`;
    messages.list.ariaLabel = `Messages with ${name}. Arrow keys go through them.`;
  }

  /** With whom, from now on. */
  function talk(to) {
    stop();
    peer = select.value = to;
    const isGroup = peer[0] === "#";
    conversation = client.conversation(peer);
    tellName();
    messages.open(conversation);
    const { typing, typists, closed } = conversation;
    const presence = client.presence(isGroup ? [] : [peer]);
    const tell = () => {
      write.text.disabled = closed.get();

      const { state = "", lastSeen } = presence.get().get(peer) ?? {};
      const offline = lastSeen ? `last seen at ${clockTime(lastSeen)}` : "offline";
      find(".peer .state").classList.toggle("typing", typing.get());
      const who = isGroup ? typists.get().map(nameOf).join(", ") : "";
      put(".peer .state", typing.get() ? `${who} is typing…` : closed.get() ? "is over for you" : { __proto__: null, online: state, offline }[state] ?? "");
    };
    let heard = conversation.messages.get().at(-1)?.key;
    const stops = [
      presence.subscribe(tell),
      typists.subscribe(tell),
      closed.subscribe(tell),
      // Who does not see the page is told of the newest message.
      conversation.messages.subscribe((messages) => {
        const last = messages.at(-1);
        if (!last || last.key === heard) return;
        heard = last.key;
        if (!last.mine && Date.now() - last.time < 60_000) put(".heard", `${nameOf(last.from)}: ${last.event ? happened(last.event) : last.text ?? ""}`);
      }),
    ];
    stop = () => stops.forEach((stop) => stop());
  }

  const tellStatus = () => {
    const { state, why, retryAt = 0 } = client.status.get();
    const wait = Math.ceil((retryAt - Date.now()) / 1000);
    const words = {
      connecting: "Connecting…",
      online: "Online",
      offline: network.offline ? "No network" : wait > 0 ? `Tries again in ${wait} s` : "Tries again…",
      ended: `Ended: ${reason(why)}`,
    }[state];
    const link = find(".link");
    link.className = `link small ${state}`;
    if (link.textContent !== words) link.textContent = words;
  };

  talk(peer);
  client.status.subscribe(tellStatus);
  setInterval(tellStatus, 1000);
  client.conversations.subscribe(soon(() => {
    const conversations = client.conversations.get();
    const others = [...new Set([who.peer, ...conversations.map((item) => item.with)])];
    for (const item of conversations) if (item.title) nameGroup(item.with, item.title);
    tellName();
    select.hidden = others.length < 2;
    find(".peer bdi").hidden = !select.hidden;
    if (select.options.length !== others.length) {
      select.replaceChildren(...others.map((user) => element("option", { value: user }, nameOf(user))));
      select.value = peer;
    }
    unread = conversations.find((item) => item.with === peer)?.unread ?? 0;
    find(".unread").hidden = !unread;
    put(".unread", `${unread} unread`);
    tellUnread(unread);
    read();
  }));
  client.on("gap", ({ from, to }) =>
    notice(`Messages between ${clockTime(from)} and ${clockTime(to)} may be missing. What was sent is sent again.`));
  client.on("storage", ({ why }) => notice(`Not everything is kept over a reload: ${reason(why)}`));
  offline.onchange = () => (network.offline = offline.checked);
  slow.onchange = () => (network.slow = slow.checked);
  find(".notice button").onclick = () => (find(".notice").hidden = true);
  select.onchange = () => talk(select.value);
  find(".unread").onclick = () => {
    messages.end();
    write.text.focus();
  };

  return {
    node, client, network, talk,
    user: who.user,
    /** Where it says something. */
    conversation: () => conversation,
    /** Whether somebody sits before it. */
    attend(now) {
      active = now;
      node.classList.toggle("active", now);
      read();
    },
    close() {
      stop();
      client.close();
      node.remove();
    },
  };
}

async function token(user) {
  const answer = await fetch(`/dev/token?user=${user}`);
  if (!answer.ok) throw new Error(`no token: ${answer.status}`);
  return answer.text();
}

const reason = (why) => why?.message ?? why?.goodbye?.message ?? why?.kind;
