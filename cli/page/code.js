// "Copy this as code": what somebody just did, as a program would do it.

import { createIds } from "/dunlin/core/ids.js";
import { find } from "./dom.js";
import { nameOf } from "./words.js";

const ids = createIds(Math.random);
const ODD = /["\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const js = (what) => JSON.stringify(what ?? null).replace(ODD, (sign) => (sign < "~" ? sign
  : sign.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)));
const rust = (text = "") => `"${text.replace(ODD, (sign) => (sign === '"' ? '\\"' : `\\u{${sign.codePointAt(0)?.toString(16)}}`))}"`;

const LANGUAGES = {
  JavaScript({ from, to, kind, said, gateway }) {
    const { text, attachments, reply_to: replyTo } = said;
    const send = `conversation.send(${js(attachments || replyTo ? { text, attachments, replyTo } : text)});`;
    const change = { edit: `edit(${js(text)})`, react: `react(${js(said.emoji)}, ${said.on})`, delete: "delete()" }[kind];
    return `import { connect } from ${js(`${location.origin}/dunlin.js`)}; // or from "dunlin"

const client = connect({
    url: ${js(gateway)},
    getToken: () => fetch(${js(`${location.origin}/dev/token?user=${from}`)})
        .then((answer) => answer.ok ? answer.text() : Promise.reject(answer.status)),
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

  Rust({ from, to, kind, said, gateway }) {
    const files = (said.attachments ?? []).map(({ media, name }) =>
      `dunlin_client::schema::Attachment::named(${rust(media)}.parse()?, ${rust(name)}.parse().ok())`);
    const target = `target: ${rust(said.target)}.parse()?`;
    const content = {
      message: `Message {
        text: ${said.text ? `Some(${rust(said.text)}.into())` : "None"},
        data: None,
        attachments: vec![${files.join(", ")}],
        reply_to: ${said.reply_to ? `Some(${rust(said.reply_to)}.parse()?)` : "None"},
        mentions: Vec::new(),
    }`,
      edit: `Edit { ${target}, text: Some(${rust(said.text)}.into()), data: None }`,
      react: `React { ${target}, emoji: ${rust(said.emoji)}.into(), on: ${said.on} }`,
      delete: `Delete { ${target} }`,
    }[kind];
    return `use dunlin_client::{Client, ClientOptions, schema::Content};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let token = std::env::var("DUNLIN_TOKEN")?; // dunlin token ${from}
    let options = ClientOptions::new(${rust(gateway.replace("http", "ws"))}, token).device("code".parse()?);
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
  -d '${js({ id: ids.next(Date.now()), to, content }).replaceAll("'", "'\\''")}'
`;
  },
};

export function code(gateway) {
  const [language, text, copy, done] = ["language", "text", "copy", "said"].map((name) => find(`#code-${name}`));
  let told;

  const show = () => {
    text.textContent = LANGUAGES[language.value](told);
    done.textContent = "";
  };
  language.onchange = show;
  copy.onclick = async () => {
    getSelection()?.selectAllChildren(text);
    const copied = await navigator.clipboard?.writeText(text.textContent).then(() => true, () => false);
    done.textContent = copied ? "Copied" : "Selected: copy it";
  };
  return (act) => {
    const [kind, said] = Object.entries(act.content)[0];
    told = { ...act, kind, said, gateway };
    find("#code-toggle").hidden = false;
    find("#last").textContent = `${nameOf(act.from)}: ${kind} ${said.text ?? said.emoji ?? ""}`;
    show();
  };
}
