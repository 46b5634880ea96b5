// The field of reuse: a copy of an equal earlier picture instead of a new render.

import { h } from "../js/dom.js";
import { t } from "../js/words.js";

/** Returns the field: `element` and `value`. Calls `onChange(isOn)` when a person changes it. */
export function reuseField(onChange) {
  const box = h("input", { type: "checkbox", id: "reuse", onchange: () => onChange(box.checked), "aria-describedby": "reuse-hint" });
  return {
    element: h("div", { class: "field" }, h("label", { class: "check" }, box, t("make.reuse")), h("p", { class: "hint", id: "reuse-hint" }, t("make.reuseHint"))),
    get value() {
      return box.checked;
    },
    set value(isOn) {
      box.checked = isOn;
    },
  };
}
