// Where a person writes a message, an answer, or other words for an earlier message.

import { find, finder } from "./dom.js";
import { stands } from "./message.js";

export function composer(side, wishes) {
  const [form, text, bar] = [".composer", "textarea", ".about"].map(finder(side));
  /** What is answered, or edited. */
  let about;
  let edits = false;
  let kept = "";

  const leave = () => {
    if (edits) text.value = kept;
    about = undefined;
    edits = false;
    bar.hidden = true;
    text.focus();
  };
  const begin = (message, toEdit = false) => {
    leave();
    [about, edits, kept] = [message, toEdit, text.value];
    if (edits) text.value = message.text ?? "";
    find("strong", bar).textContent = edits ? "Editing" : "Answering";
    find("span", bar).textContent = message.text ?? "";
    bar.hidden = false;
  };
  const submit = () => {
    const said = text.value.trim();
    if (!said) return;
    if (!about || !edits) {
      if (!wishes.send(said, about?.id)) return;
      text.value = "";
    } else if (said !== about.text) wishes.edit(about, said);
    leave();
  };

  find("button", bar).onclick = leave;
  text.oninput = () => text.value && !edits && wishes.typed();
  form.onsubmit = (event) => {
    event.preventDefault();
    submit();
  };
  text.onkeydown = (event) => {
    const last = event.key === "ArrowUp" && !text.value && !about && wishes.lastOwn();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit();
    else if (event.key === "Escape" && about) leave();
    else if (last && stands(last)) begin(last, true);
    else return;
    event.preventDefault();
  };
  return { text, begin };
}
