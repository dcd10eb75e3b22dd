// A client as the page's address says it: ?user=…&with=…&url=…, and of the rest `account`, `device`, `store`, `tabs`, `ttl`, `backoff`.
// The tests drive it, and look at what it was told, through `window`.

import { SignedOut, connect } from "/dunlin.js";

const asked = Object.fromEntries(new URLSearchParams(location.search));
const { user, url, ttl = "1h", backoff, ...options } = asked;

/** Why tokens were asked for. */
window.tokens = [];
/** What the client has told, by its event. */
window.told = { entry: [], gap: [], storage: [], error: [], status: [] };

window.client = connect({
    ...options,
    url,
    backoff: backoff && { first: Number(backoff), most: Number(backoff) },
    getToken: async (why) => {
        window.tokens.push(why);
        const answer = await fetch(`/token?user=${user}&ttl=${ttl}`);
        if (answer.status === 401) throw new SignedOut();
        return answer.text();
    },
});
for (const [event, all] of Object.entries(window.told)) window.client.on(event, (what) => all.push(what));
window.client.status.subscribe(() => window.told.status.push(window.client.status.get().state));
window.talk = window.client.conversation(asked.with);
window.talk.messages.subscribe(() => {});
