// An application in TypeScript with the package installed: it has types, and they refuse what is wrong.

import { connect, SignedOut, type Conversation, type Message, type Readable, type Status } from "dunlin";
import { group, groups } from "dunlin/groups";
import { drawBlur, showPicture } from "dunlin/pictures";
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

const team = group(client, "#team");
const made: Promise<{ members: number }> = team.create({ title: "The team", members: ["bob"], settings: { who_may_write: "admins" } });
for await (const { group: address, role } of groups(client)) client.conversation(address satisfies string).send(role);
for await (const { user, joined } of team.members()) await team.setRole(user satisfies string, joined > 0 ? "admin" : "member");
const { event, receipts } = client.conversation("#team").messages.get()[0];
const seen = event ? `${event.by} ${event.change} ${event.users}` : `${receipts?.read} of ${receipts?.of}`;
const [picture] = sent.attachments;
if (picture?.blur) drawBlur(document.createElement("canvas"), picture.blur);
const isThere: Promise<void> | undefined = picture && showPicture(new Image(), client, picture, { thumbnail: true });
// @ts-expect-error there is no such role
team.setRole("bob", "king");

// @ts-expect-error a message never changes
sent.text = "x";
// @ts-expect-error there is no such state
sent.state === "lost";
// @ts-expect-error a token is needed
connect({ url: "wss://one.example" });

export { edited, isThere, isTyping, made, messages, seen, SignedOut, unread };
