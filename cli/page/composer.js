// Where a person writes a message, an answer, or other words for an earlier message.

import { find, finder } from "./dom.js";
import { filesOf } from "./files.js";
import { saying, stands } from "./message.js";

export function composer(side, client, wishes) {
  const [text, bar, send] = ["textarea", ".about", ".composer .primary"].map(finder(side));
  /** What is answered, or edited. */
  let about;
  let edits = false;
  let kept = "";
  let attached = [];

  const files = filesOf(side, client, (chosen) => {
    attached = chosen;
    if (send.disabled) submit();
  }, wishes.failed);
  /** It is sent once its files are there. */
  const wait = (so) => (send.disabled = text.readOnly = so);
  const leave = () => {
    wait();
    if (edits) text.value = kept;
    about = undefined;
    edits = false;
    bar.hidden = true;
    if (side.contains(document.activeElement)) text.focus();
  };
  const begin = (message, toEdit = false) => {
    leave();
    [about, edits, kept] = [message, toEdit, text.value];
    if (edits) text.value = message.text ?? "";
    find("strong", bar).textContent = edits ? "Editing" : "Answering";
    find("span", bar).textContent = saying(message);
    bar.hidden = false;
  };
  const submit = () => {
    const said = text.value.trim();
    if (wait(!edits && attached.includes(null)) || !(said || (attached.length && !edits))) return;
    if (!edits) {
      if (!wishes.send(said, about?.id, attached)) return;
      text.value = "";
      files.clear();
    } else if (said !== about.text) wishes.edit(about, said);
    leave();
  };

  find("button", bar).onclick = leave;
  text.oninput = () => text.value && !edits && wishes.typed();
  send.onclick = submit;
  text.onkeydown = (event) => {
    const last = event.key === "ArrowUp" && !text.value && !about && wishes.lastOwn();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit();
    else if (event.key === "Escape") leave();
    else if (last && stands(last)) begin(last, true);
    else return;
    event.preventDefault();
  };
  return { text, begin, wait, show: files.show };
}
