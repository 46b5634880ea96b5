// The condition pictures of an edit: dropped, pasted, chosen from files or from the gallery.

import { dataUrl, input, original, pictureAsData } from "../js/api.js";
import { button, complain, h, iconButton, toast } from "../js/dom.js";
import { onDrops } from "../js/drops.js";
import { t } from "../js/words.js";
import { pickPicture } from "../gallery/pick.js";

const MOST_BYTES = 20 * 1024 * 1024;

/** Returns the field of the condition pictures: its element, `value` (data URLs), `set`, `fromJob`, `inputsOf` and `close`. */
export function imagesField(onChange) {
  let pictures = [];
  const list = h("ul", { class: "inputs" });
  const file = h("input", { type: "file", id: "files", accept: "image/*", multiple: true, hidden: true, onchange: () => addFiles(file.files).then(() => (file.value = "")) });
  const choose = button(t("make.chooseFile"), () => file.click());
  const fromGallery = button(t("make.fromGallery"), () => pickPicture(t("gallery.pick")).then((found) => found && fromJob(found)));
  const drop = h("div", { class: "drop", id: "drop" }, choose, fromGallery, h("span", { class: "hint" }, t("make.imagesHint")), file);
  const element = h("fieldset", {}, h("legend", {}, t("make.images")), drop, list);
  const endDrops = onDrops(drop, addFiles);
  document.addEventListener("paste", paste);

  async function addFiles(files) {
    for (const each of files) {
      if (!each.type.startsWith("image/")) toast(t("make.notPicture", { name: each.name }));
      else if (each.size > MOST_BYTES) toast(t("make.tooLarge", { name: each.name }));
      else add(await dataUrl(each));
    }
  }

  const fromJob = ({ id, index }) => fetched([original(id, index)]);

  /** Adds the condition images of an earlier job, in their order. */
  const inputsOf = ({ id, count }) => fetched(Array.from({ length: count }, (_, index) => input(id, index)));

  async function fetched(urls) {
    try {
      for (const url of urls) add(await pictureAsData(url));
    } catch (error) {
      complain(error);
    }
  }

  function add(data) {
    set([...pictures, data]);
  }

  function set(found) {
    pictures = found;
    changed();
  }

  function changed() {
    list.replaceChildren(
      ...pictures.map((data, place) => {
        const number = place + 1;
        const drop_ = iconButton(t("make.remove", { number }), "close", () => {
          set(pictures.filter((_, other) => other !== place));
        });
        drop_.classList.remove("bare");
        return h("li", {}, h("img", { src: data, alt: t("make.imageAlt", { number }) }), drop_);
      }),
    );
    onChange();
  }

  function paste(event) {
    const files = [...(event.clipboardData?.files ?? [])].filter((each) => each.type.startsWith("image/"));
    if (files.length) {
      event.preventDefault();
      addFiles(files);
    }
  }

  return {
    element,
    fromJob,
    inputsOf,
    set,
    get value() {
      return pictures;
    },
    close() {
      endDrops();
      document.removeEventListener("paste", paste);
    },
  };
}
