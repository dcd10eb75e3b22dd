// "Copy this as code": what somebody just did, as a program would do it.

import { find } from "./dom.js";
import { nameOf } from "./words.js";

/** @import { Act } from "./side.js" */
/** @typedef {Act & {kind: string, said: any, gateway: string, here: string}} Told An act; `kind` and `said` are its content's parts. */

const js = JSON.stringify;
/** @param {string} text */
const rust = (text) => `"${text.replace(/["\\]/g, "\\$&").replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => `\\u{${sign.codePointAt(0)?.toString(16)}}`)}"`;
/** @param {string} text */
const shell = (text) => text.replaceAll("'", "'\\''");
/** @param {string} url */
const socket = (url) => url.replace(/^http/, "ws");

/** @type {Record<string, (told: Told) => string>} */
const LANGUAGES = {
    javascript({ from, to, kind, said, gateway, here }) {
        const send = `conversation.send(${said.reply_to ? `{ text: ${js(said.text)}, replyTo: ${js(said.reply_to)} }` : js(said.text)});`;
        const change = { edit: `edit(${js(said.text)})`, react: `react(${js(said.emoji)}, ${said.on})`, delete: "delete()" }[kind];
        return `import { connect } from ${js(`${here}/dunlin.js`)}; // or from "dunlin"

const client = connect({
    url: ${js(socket(gateway))},
    getToken: async () => (await fetch(${js(`${here}/dev/token?user=${from}`)})).text(),
});
const conversation = client.conversation(${js(to)});
${change ? `let done = false;
conversation.messages.subscribe((messages) => {
    const message = messages.find(({ id }) => id === ${js(said.target)});
    if (!message || done) return;
    done = true;
    message.${change};
});` : send}
`;
    },

    rust({ from, to, kind, said, gateway }) {
        const target = `target: ${rust(said.target ?? "")}.parse()?`;
        const content = {
            message: `Message {
        text: Some(${rust(said.text ?? "")}.into()),
        data: None,
        attachments: Vec::new(),
        reply_to: ${said.reply_to ? `Some(${rust(said.reply_to)}.parse()?)` : "None"},
    }`,
            edit: `Edit { ${target}, text: Some(${rust(said.text ?? "")}.into()), data: None }`,
            react: `React { ${target}, emoji: ${rust(said.emoji ?? "")}.into(), on: ${said.on} }`,
            delete: `Delete { ${target} }`,
        }[kind];
        return `use dunlin_client::{Client, ClientOptions, schema::Content};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let token = std::env::var("DUNLIN_TOKEN")?; // dunlin token ${from}
    let options = ClientOptions::new(${rust(socket(gateway))}, token).device("code".parse()?);
    let (client, _events) = Client::connect(options).await?;
    let content = Content::${content};
    let accepted = client.send(${rust(to)}, content).await?;
    println!("{} is stored", accepted.id);
    client.close().await;
    Ok(())
}
`;
    },

    curl({ from, to, content, gateway }) {
        return `dunlin token ${from} --scope service --ttl 1h > ${from}.token

curl ${gateway}/v1/messages \\
  -H "Authorization: Bearer $(cat ${from}.token)" \\
  -H "Content-Type: application/json" \\
  -d '{"id":"'"$(npx -y ulid)"'",${shell(js({ to, content }).slice(1))}'
`;
    },
};

/** What happened, for people. @param {Told} told */
const inWords = ({ from, to, kind, said }) => `${nameOf(from)} ${{
    message: `to ${nameOf(to)}: ${said.text}`,
    edit: `edited: ${said.text}`,
    react: `${said.on ? "reacted with" : "took back"} ${said.emoji}`,
    delete: "deleted a message",
}[kind]}`;

/**
 * Shows the last act as code.
 * @param {string} gateway
 * @returns {(act: Act) => void} Tells it the last act.
 */
export function code(gateway) {
    const text = find("#code-text");
    const copy = find("#code-copy");
    const said = find("#code-said");
    /** @type {HTMLElement[]} */
    const languages = [...find("#code").querySelectorAll("[data-language]")];
    let chosen = "javascript";
    /** @type {Told | undefined} */
    let told;

    const show = () => {
        for (const language of languages) language.setAttribute("aria-pressed", `${language.dataset.language === chosen}`);
        if (told) text.textContent = LANGUAGES[chosen](told);
        copy.textContent = "Copy";
        said.textContent = "";
    };
    for (const language of languages) {
        language.onclick = () => {
            chosen = language.dataset.language ?? chosen;
            show();
        };
    }
    copy.onclick = async () => {
        try {
            await navigator.clipboard.writeText(text.textContent);
            copy.textContent = said.textContent = "Copied";
        } catch {
            // Nobody gave leave to use the clipboard.
            getSelection()?.selectAllChildren(text);
            said.textContent = "Selected: copy it with the keyboard";
        }
    };
    return (act) => {
        const [kind, said] = Object.entries(act.content)[0];
        told = { ...act, kind, said, gateway, here: location.origin };
        find("#code-toggle").hidden = false;
        find("#last").textContent = inWords(told);
        show();
    };
}
