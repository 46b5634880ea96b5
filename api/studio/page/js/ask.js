// A dialog that asks for something before an act, such as a reason or the name of what is erased.

import { button, h, openDialog } from "./dom.js";
import { t } from "./words.js";

/**
 * Asks a question with fields; resolves to true only if the person agrees. `isReady()` tells whether the fields permit
 * to agree, and is asked again at each input.
 */
export function asked(question, fields, yes, { isReady = () => true, isDanger = false } = {}) {
  return new Promise((resolve) => {
    const agree = h("button", { class: isDanger ? "danger" : "main", disabled: !isReady() }, yes);
    const disagree = button(t("common.cancel"), () => dialog.close());
    const inside = h(
      "form",
      { class: "inside", oninput: () => (agree.disabled = !isReady()), onsubmit: send },
      h("h2", { id: "question" }, question),
      fields,
      h("div", { class: "row" }, agree, disagree),
    );
    const dialog = openDialog(inside, { "aria-labelledby": "question" });
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));

    function send(event) {
      event.preventDefault();
      if (isReady()) dialog.close("yes");
    }
  });
}

/** Returns a field: a label, an input with its id, and a hint below it. */
export function field(label, input, hint = null) {
  if (hint) input.setAttribute("aria-describedby", `${input.id}-hint`);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, hint && h("p", { class: "hint", id: `${input.id}-hint` }, hint));
}

/** Returns a menu of choices, pairs of value and text. */
export function menu(id, choices, props = {}) {
  return h("select", { id, ...props }, choices.map(([value, text]) => h("option", { value }, text)));
}
