// The condition pictures of an edit: dropped, pasted, chosen from files or from the gallery.

import { dataUrl, pictureAsData } from "../js/api.js";
import { button, complain, h, iconButton, toast } from "../js/dom.js";
import { t } from "../js/words.js";
import { pickPicture } from "../gallery/pick.js";

const MOST_BYTES = 20 * 1024 * 1024;

/** Returns the field of the condition pictures: its element, `value` (data URLs), `add` and `clear`. */
export function imagesField(onChange) {
  let pictures = [];
  const list = h("ul", { class: "inputs" });
  const file = h("input", { type: "file", id: "files", accept: "image/*", multiple: true, hidden: true, onchange: () => addFiles(file.files).then(() => (file.value = "")) });
  const choose = button(t("make.chooseFile"), () => file.click());
  const fromGallery = button(t("make.fromGallery"), () => pickPicture(t("gallery.pick")).then((found) => found && fromJob(found)));
  const drop = h("div", { class: "drop", id: "drop" }, choose, fromGallery, h("span", { class: "hint" }, t("make.imagesHint")), file);
  const element = h("fieldset", {}, h("legend", {}, t("make.images")), drop, list);
  for (const [type, isOver] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    drop.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", isOver);
      if (type === "drop") addFiles(event.dataTransfer.files);
    });
  }

  async function addFiles(files) {
    for (const each of files) {
      if (!each.type.startsWith("image/")) toast(t("make.notPicture", { name: each.name }));
      else if (each.size > MOST_BYTES) toast(t("make.tooLarge", { name: each.name }));
      else add(await dataUrl(each));
    }
  }

  async function fromJob({ id, index }) {
    try {
      add(await pictureAsData(id, index));
    } catch (error) {
      complain(error);
    }
  }

  function add(data) {
    pictures = [...pictures, data];
    changed();
  }

  function changed() {
    list.replaceChildren(
      ...pictures.map((data, place) => {
        const number = place + 1;
        const drop_ = iconButton(t("make.remove", { number }), "close", () => {
          pictures = pictures.filter((_, other) => other !== place);
          changed();
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
    paste,
    get value() {
      return pictures;
    },
    clear() {
      pictures = [];
      changed();
    },
  };
}
