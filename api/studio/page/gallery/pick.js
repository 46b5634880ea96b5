// A dialog in which a person chooses one of the newest pictures.

import { thumbnail } from "../js/api.js";
import { button, h, openDialog } from "../js/dom.js";
import { t } from "../js/words.js";
import { PictureSource } from "./source.js";

/** Resolves to the chosen picture ({ id, index }), or to null. */
export function pickPicture(title) {
  return new Promise((resolve) => {
    let chosen = null;
    const list = h("div", { class: "picks" });
    const more = button(t("common.more"), () => source.more({ isAsked: true }));
    const none = h("p", { class: "quiet", role: "status" }, t("common.loading"));
    const head = h("div", { class: "row" }, h("h2", { id: "pick-title", class: "grow" }, title), button(t("common.cancel"), () => dialog.close()));
    const dialog = openDialog(h("div", { class: "inside" }, head, none, list, more), { "aria-labelledby": "pick-title", class: "wide" });
    dialog.addEventListener("close", () => resolve(chosen));
    const source = new PictureSource({ show: "pictures" }, paint);
    source.more();

    function paint() {
      for (const item of source.items.slice(list.childElementCount)) {
        const face = h("img", { src: thumbnail(item.id, item.index), alt: item.prompt, loading: "lazy" });
        list.append(h("button", { type: "button", onclick: () => choose(item) }, face));
      }
      none.textContent = source.error?.message ?? (source.items.length ? "" : t("gallery.pickNone"));
      none.hidden = !none.textContent;
      more.hidden = source.isComplete;
    }

    function choose(item) {
      chosen = item;
      dialog.close();
    }
  });
}
