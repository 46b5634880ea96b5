// Two pictures over each other, with a slider that cuts between them.

import { h, iconButton, openDialog } from "../js/dom.js";
import { t } from "../js/words.js";

/** Opens the comparison of two pictures, whose addresses are given. */
export function openCompare(left, right) {
  const second = h("img", { class: "second", src: right, alt: t("compare.second") });
  const edge = h("span", { class: "edge" });
  const slider = h("input", { type: "range", min: "0", max: "100", step: "0.5", value: "50", "aria-label": t("compare.slider"), oninput: cut });
  const box = h("div", { class: "compare" }, h("img", { src: left, alt: t("compare.first") }), second, edge, slider);
  const head = h("div", { class: "row" }, h("h2", { class: "grow", id: "compare-title" }, t("compare.title")), iconButton(t("common.close"), "close", () => dialog.close()));
  second.addEventListener("load", () => box.style.setProperty("--ratio", String(second.naturalWidth / second.naturalHeight)));
  const dialog = openDialog(h("div", { class: "inside" }, head, box), { class: "wide", "aria-labelledby": "compare-title" });
  slider.focus();

  function cut() {
    box.style.setProperty("--cut", `${slider.value}%`);
  }
}
