// An application in TypeScript with the package installed: it has types, and they refuse what is wrong.

import { connect, SignedOut, type Conversation, type Message, type Readable, type Status } from "dunlin";
import { useConversation, useReadable } from "dunlin/react";

const client = connect({ url: ["wss://one.example", "wss://two.example"], getToken: async () => "a.to.ken", store: "memory" });
const status: Readable<Status> = client.status;
const stop: () => void = status.subscribe(({ state }) => state satisfies "connecting" | "online" | "offline" | "ended");
stop();

const bob: Conversation = client.conversation("bob");
const sent: Message = bob.send({ text: "hi", data: new Uint8Array(1), replyTo: bob.messages.get()[0] });
const edited: Promise<void> = sent.edit("hello");
const [row] = client.conversations.get();
const unread: number = row?.unread ?? 0;
const { messages } = useConversation(client, "bob");
const isTyping: boolean = useReadable(bob.typing);

// @ts-expect-error a message never changes
sent.text = "x";
// @ts-expect-error there is no such state
sent.state === "lost";
// @ts-expect-error a token is needed
connect({ url: "wss://one.example" });

export { edited, isTyping, messages, SignedOut, unread };
