// The options of a new batch: a prefix, a first seed, reuse of equal pictures, and the check of the text in pictures.

import { field } from "../js/ask.js";
import { debounced, h } from "../js/dom.js";
import { t } from "../js/words.js";
import { textCheckField } from "../make/text_check.js";

const REST_MS = 500; // after the last key in a field, the file is checked again
const FIRST_SEED = "0"; // a fixed one, so that the same file finds its pictures again

/**
 * Returns the fields: `element`, `request` (fields of `POST /v1/batches`), `textCheck`, which becomes a part of the
 * lines, and `follow(isQuoting)`. Calls `onChange()` after a change, or `onLines()` if the lines change with it.
 */
export function batchOptions(onChange, onLines) {
  const soon = debounced(onChange, REST_MS);
  const prefix = h("input", { type: "text", id: "output-prefix", maxlength: "200", spellcheck: "false", autocomplete: "off", placeholder: t("batches.prefixExample"), oninput: soon });
  const seed = h("input", { type: "number", id: "first-seed", min: "0", step: "1", oninput: seedChanged });
  const box = h("input", { type: "checkbox", id: "batch-reuse", onchange: reuseChanged, "aria-describedby": "batch-reuse-hint" });
  const reuse = h("div", { class: "field" }, h("label", { class: "check" }, box, t("batches.reuse")), h("p", { class: "hint", id: "batch-reuse-hint" }, t("batches.reuseHint")));
  const check = textCheckField(() => {
    if (check.value) box.checked = false;
    onLines();
  });

  function seedChanged() {
    if (seed.value === "") box.checked = false;
    soon();
  }

  /** Reuse needs a seed, and a picture whose text is checked is not reused. */
  function reuseChanged() {
    if (box.checked && seed.value === "") seed.value = FIRST_SEED;
    const wasChecked = box.checked && check.value;
    if (wasChecked) check.set(null);
    (wasChecked ? onLines : onChange)();
  }

  return {
    element: h("div", { class: "split" }, field(t("batches.prefix"), prefix, t("batches.prefixHint")), field(t("batches.seed"), seed, t("batches.seedHint")), check.element, reuse),
    follow: (isQuoting) => check.follow(isQuoting ? '"a"' : ""),
    get textCheck() {
      return check.value;
    },
    get request() {
      const folder = prefix.value.trim();
      const defaults = { ...(seed.value === "" ? {} : { seed: Number(seed.value) }), ...(box.checked ? { reuse: true } : {}) };
      return { ...(folder ? { output_prefix: folder } : {}), ...(Object.keys(defaults).length ? { defaults } : {}) };
    },
  };
}
