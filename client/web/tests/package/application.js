// An application with the package installed: what it imports is there, and works as far as that goes without a network.

import { connect } from "dunlin";

const socket = () => ({ readyState: 0, send() {}, close() {} });
const client = connect({ url: "http://127.0.0.1:1", getToken: async () => "a.to.ken", store: "memory", socket });
const { text, state } = client.conversation("bob").send("hi");
if (text !== "hi" || state !== "sending") throw new Error("the package does not work in Node");
await client.close();
