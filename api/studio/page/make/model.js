// The field with the model. It is shown only if the service has several models.

import { h } from "../js/dom.js";
import { t } from "../js/words.js";

/**
 * Returns the field: `element`, `value` (the name of the model, or undefined for the default model), `set`, and `offer`,
 * which takes the list of models. `onChange` gets the defaults of the chosen model: those that an operator has set.
 */
export function modelField(onChange) {
  const choice = h("select", { id: "model", onchange: () => onChange(defaultsOf(choice.value)) });
  const element = h("div", { class: "field", hidden: true }, h("label", { for: "model" }, t("make.model")), choice);
  let known = [];
  let wanted = "";

  function defaultsOf(name) {
    const found = known.find((each) => each.id === (name || known[0]?.id));
    return Object.fromEntries(Object.entries(found?.defaults ?? {}).filter(([, value]) => value !== null));
  }

  function choose() {
    choice.value = known.slice(1).some((each) => each.id === wanted) ? wanted : "";
  }

  return {
    element,
    get value() {
      return choice.value || undefined;
    },
    set(name) {
      wanted = name ?? "";
      choose();
    },
    /** Offers these models, without their further names. The first one is the default. Returns its defaults. */
    offer(models) {
      known = models.filter((each) => each.id === each.root);
      choice.replaceChildren(...known.map((each, place) => h("option", { value: place ? each.id : "" }, each.id)));
      element.hidden = known.length < 2;
      choose();
      return defaultsOf("");
    },
  };
}
