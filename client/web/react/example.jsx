/** A chat with one person in React: messages with their state, what fails, typing, presence. */

/** @import { Client } from "../dunlin/client.js" */
/** @import { Message } from "../dunlin/conversation/message.js" */
/** @import { FormEvent } from "react" */

import { memo, useEffect, useState } from "react";
import { useConversation, usePresence, useStatus } from "./index.js";

/** Drawn once for each state of a message: what has not changed is the same object. */
const Bubble = memo(/** @param {{ message: Message }} props */ ({ message }) => (
    <li className={message.mine ? "mine" : "theirs"}>
        {message.deleted ? <i>taken back</i> : message.text} <small>{message.state}</small>
        {message.state === "failed" && <button onClick={() => message.retry()}>Try again</button>}
    </li>
));

/** @param {{ client: Client, peer: string }} props */
export function Chat({ client, peer }) {
    const { conversation, messages, isTyping } = useConversation(client, peer);
    const status = useStatus(client);
    const presence = usePresence(client, [peer]).get(peer);
    const [text, setText] = useState("");

    // What is on the screen is read.
    useEffect(() => conversation.markRead(), [conversation, messages]);

    /** @param {FormEvent} event */
    const send = event => {
        event.preventDefault();
        if (text.trim()) conversation.send(text);
        setText("");
    };

    return (
        <form onSubmit={send}>
            <p>{peer} is {isTyping ? "typing" : presence?.state ?? "unknown"}; you are {status.state}</p>
            <ol>{messages.map(message => <Bubble key={message.key} message={message} />)}</ol>
            <input
                value={text}
                onChange={event => {
                    setText(event.target.value);
                    conversation.keystroke();
                }}
            />
            <button>Send</button>
        </form>
    );
}
