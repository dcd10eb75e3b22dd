/** Hooks of React for what can be read at any moment. A component is drawn again when what it reads has changed, and not before. */

/** @import { Client } from "../dunlin/client.js" */
/** @import { Readable } from "../dunlin/readable.js" */

import { useMemo, useSyncExternalStore } from "react";

/**
 * What a readable is now.
 *
 * @template T
 * @param {Readable<T>} readable
 * @returns {T}
 */
export const useReadable = ({ subscribe, get }) => useSyncExternalStore(subscribe, get, get);

/**
 * How the client stands.
 *
 * @param {Client} client
 */
export const useStatus = client => useReadable(client.status);

/**
 * The user's conversations, the one with the latest message first.
 *
 * @param {Client} client
 */
export const useConversations = client => useReadable(client.conversations);

/**
 * A conversation, with its messages, oldest first, and whether the peer is typing. A message that has not changed is the same object.
 *
 * @param {Client} client
 * @param {string} address
 */
export function useConversation(client, address) {
    const conversation = client.conversation(address);
    return { conversation, messages: useReadable(conversation.messages), isTyping: useReadable(conversation.typing) };
}

/**
 * How people are, by their address; they are watched while the component is there.
 *
 * @param {Client} client
 * @param {string[]} users
 */
export function usePresence(client, users) {
    const key = users.join(" ");
    return useReadable(useMemo(() => client.presence(key ? key.split(" ") : []), [client, key]));
}
