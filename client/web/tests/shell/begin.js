// A client of a user's against a gateway, which keeps what it keeps in memory.

import { connect } from "../../dunlin.js";
import { token, until } from "./gateway.js";

export function begin(t, gateway, user, options = {}) {
    const client = connect({
        url: "http://gateway.test",
        getToken: () => token(user),
        socket: gateway.socket,
        store: "memory",
        backoff: { first: 5, most: 20 },
        ...options,
    });
    t.after(() => client.close());
    return client;
}

export const online = client => until(() => client.status.get().state === "online");
export const say = (client, to, text) => client.conversation(to).send(text);
