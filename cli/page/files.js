// Files: those chosen for the next message, and those that messages have.

import { drawBlur, showPicture } from "/dunlin/pictures.js";
import { button, element, finder } from "./dom.js";
import { titleOf, weight } from "./words.js";

/** Files of a message, at most. */
const MOST = 16;
/** px of a picture's longer side. */
const LONG = 320;

/** `changed` is told what was chosen, with `null` for what is on its way. */
export function filesOf(side, client, changed, failed) {
  const [list, input] = [".chosen", "[type=file]"].map(finder(side));
  /** Addresses of one's own pictures, by their files. */
  const own = new Map();
  let chosen = [];

  const choose = (these) => {
    chosen = these;
    list.replaceChildren(...chosen.map(({ node }) => node));
    changed(chosen.map(({ file }) => file));
  };

  function add(blob) {
    if (chosen.length === MOST) return failed({ message: `a message has ${MOST} files at most` });
    const [title, here, stop] = [titleOf(blob), URL.createObjectURL(blob), new AbortController()];
    const bar = element("progress", { "aria-label": `Upload of ${title}` });
    const how = element("span.grow", { role: "status" });
    const again = button("Try again", upload);
    const away = button("✕", () => {
      stop.abort();
      choose(chosen.filter((other) => other !== one));
    }, ".quiet");
    away.ariaLabel = `Take back ${title}`;
    const node = element("li.row.small", blob.type.startsWith("image/") && element("img", { src: here, alt: "" }),
      element("bdi.cut", title), how, bar, again, away);
    const one = { node, file: /** @type {any} */ (null) };
    const tell = (why = "") => {
      how.textContent = why || weight(blob.size);
      how.classList.toggle("bad", why);
      again.hidden = !why;
      bar.hidden = why || one.file;
    };
    async function upload() {
      tell();
      try {
        one.file = await client.upload(blob, { signal: stop.signal, onProgress: (share) => (bar.value = share) });
        if (one.file.thumbnail) own.set(one.file.media, here);
        tell();
        // A message has each file once.
        choose(chosen.filter((other) => other === one || other.file?.media !== one.file.media));
      } catch (error) {
        tell(error.message);
      }
    }
    choose([...chosen, one]);
    upload();
  }

  const over = (so) => side.classList.toggle("over", so);
  input.onchange = side.onpaste = side.ondrop = (event) => {
    over(false);
    const { files, types } = event.clipboardData ?? event.dataTransfer ?? input;
    // Beside a text that was copied there may be a picture of it.
    if (!files?.length || types?.includes("text/plain")) return;
    event.preventDefault();
    [...files].forEach(add);
    input.value = "";
  };
  side.ondragover = (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    over(true);
  };
  side.ondragleave = ({ relatedTarget }) => side.contains(relatedTarget) || over(false);

  function load(image, file, options) {
    if (own.has(file.media)) image.src = own.get(file.media);
    else showPicture(image, client, file, options);
  }

  /** A file of a message. A picture has its place at once. */
  function show(file) {
    const alt = titleOf(file);
    if (!file.thumbnail) {
      // What a browser may show is shown in a tab.
      const save = () => client.download(file).then((href) => element("a", { href, target: "_blank" }).click(), failed);
      return element("button.file.row.small", { title: "Save", click: save },
        element("bdi.cut", alt), element("span.soft", weight(file.size)));
    }
    const image = element("img", { alt, load: () => canvas.remove() });
    const canvas = element("canvas");
    if (file.blur) drawBlur(canvas, file.blur);
    const picture = element("button.picture", { click: () => open(file, image) }, canvas, image);
    const ratio = Math.min(4, Math.max(0.25, file.width / file.height));
    Object.assign(picture.style, { aspectRatio: ratio, width: `${Math.min(LONG, LONG * ratio, file.width)}px` });
    load(image, file, { thumbnail: true });
    return picture;
  }

  /** Its full size, with the small picture in its place until it is there. Escape or a click closes it. */
  function open(file, { alt, src }) {
    const image = element("img", { alt, src, width: file.width, height: file.height });
    const dialog = element("dialog", { "aria-label": alt, click: () => dialog.close(), close: () => dialog.remove() },
      image, button("Close"));
    document.body.append(dialog);
    dialog.showModal();
    load(image, file);
  }

  return { show, clear: () => choose([]) };
}
