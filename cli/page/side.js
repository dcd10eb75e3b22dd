// One person on one device: their client, what they see, and their network.

import { connect } from "/dunlin.js";
import { composer } from "./composer.js";
import { element, find as findIn, finder, soon } from "./dom.js";
import { messagesOf } from "./messages.js";
import { Network } from "./network.js";
import { clockTime, nameGroup, nameOf } from "./words.js";

export function openSide(who, gateways, acted, tellUnread) {
  const node = findIn("#side").content.firstElementChild.cloneNode(true);
  const find = finder(node);
  const put = (selector, words) => (find(selector).textContent = words);
  const select = find(".peer select");
  const network = new Network();
  let { peer } = who;
  let active = false;
  let unread = 0;
  let stop = () => {};
  let conversation;

  node.dataset.name = who.name;
  node.ariaLabel = who.title;
  put("h2", who.title);
  const client = connect({
    url: gateways,
    account: who.name,
    socket: network.socket,
    getToken: async () => {
      const answer = await fetch(`/dev/token?user=${who.user}`);
      if (!answer.ok) throw new Error(`no token: ${answer.status}`);
      return answer.text();
    },
  });

  const failed = (error) => notice(`That did not work: ${reason(error)}`);

  const act = (deed, content) => {
    try {
      deed().catch?.(failed);
      acted({ from: who.user, to: peer, content });
      return true;
    } catch (error) {
      return failed(error);
    }
  };
  /** What is seen is read, if somebody sits before this device. */
  const read = soon(() => {
    if (active && unread && messages.isFollowed() && !document.hidden) conversation.markRead();
  }, 250);
  const messages = messagesOf(node, {
    reply: (message) => write.begin(message),
    edit: (message) => write.begin(message, true),
    remove: (message) => act(() => message.delete(), { delete: { target: message.id } }),
    react: (message, emoji, on) => act(() => message.react(emoji, on), { react: { target: message.id, emoji, on } }),
    show: (file) => write.show(file),
  }, read);
  const write = composer(node, client, {
    send: (text, replyTo, attachments) => {
      messages.end();
      const named = attachments.map(({ media, name }) => ({ media, name }));
      return act(() => conversation.send({ text, attachments, replyTo }),
        { message: { text: text || undefined, attachments: named[0] && named, reply_to: replyTo } });
    },
    failed,
    edit: (message, text) => act(() => message.edit(text), { edit: { target: message.id, text } }),
    typed: () => conversation.keystroke(),
    lastOwn: () => conversation.messages.get().findLast(({ mine, deleted, event }) => mine && !deleted && !event),
  });

  function notice(words) {
    put(".notice p", words);
    find(".notice").hidden = false;
  }

  /** A group's name is known later than its address. */
  function tellName() {
    const name = nameOf(peer);
    put(".peer bdi", name);
    put(".empty", `Say hello to ${name}. Then take something away: the network, a server, all of them.`);
    write.text.placeholder = write.text.ariaLabel = `Message to ${name}`;
    messages.list.ariaLabel = `Messages with ${name}. Arrow keys go through them.`;
  }

  function talk(to) {
    stop();
    write.wait();
    peer = select.value = to;
    const isGroup = peer[0] === "#";
    conversation = client.conversation(peer);
    tellName();
    messages.open(conversation);
    const { typists, closed } = conversation;
    const presence = client.presence(isGroup ? [] : [peer]);
    const tell = () => {
      write.text.disabled = closed.get();
      const { state = "", lastSeen } = presence.get().get(peer) ?? {};
      const offline = lastSeen ? `last seen at ${clockTime(lastSeen)}` : "offline";
      const typing = typists.get();
      find(".peer .state").classList.toggle("typing", !!typing[0]);
      put(".peer .state", typing[0] ? `${isGroup ? typing.map(nameOf).join(", ") : ""} is typing…`
        : closed.get() ? "is over for you" : state === "offline" ? offline : state);
    };
    const stops = [presence, typists, closed].map((one) => one.subscribe(tell));
    stop = () => stops.forEach((stop) => stop());
  }

  const tellStatus = () => {
    const { state, why, retryAt = 0 } = client.status.get();
    const wait = Math.ceil((retryAt - Date.now()) / 1000);
    const words = {
      connecting: "Connecting…",
      online: "Online",
      offline: network.isOffline ? "No network" : wait > 0 ? `Tries again in ${wait} s` : "Tries again…",
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
  for (const name of ["offline", "slow"]) find(`.${name}`).onchange = ({ target }) => (network[name] = target.checked);
  find(".notice button").onclick = () => (find(".notice").hidden = true);
  select.onchange = () => talk(select.value);
  find(".unread").onclick = () => {
    messages.end();
    write.text.focus();
  };

  return {
    node, client, network, talk,
    user: who.user,
    conversation: () => conversation,
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

const reason = (why) => why?.message ?? why?.goodbye?.message ?? why?.kind;
