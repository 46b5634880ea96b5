// The filters of the gallery. A change is told after a short rest, so that typing costs few requests.

import { button, debounced, h } from "../js/dom.js";
import { statusWord, t } from "../js/words.js";

const SHOWN = ["pictures", "unfinished", "failed", "cancelled", "expired", "rejected"];
const REST_MS = 400;

const capital = (word) => word[0].toUpperCase() + word.slice(1);

/** Returns the filters: `element` and `value`. `onChange()` is called after a change. */
export function filterBar(initial, onChange) {
  const soon = debounced(onChange, REST_MS);
  const fields = {
    prompt: h("input", { type: "search", id: "by-prompt", placeholder: t("gallery.searchHint"), maxlength: "200", oninput: soon }),
    show: h("select", { id: "by-show", onchange: onChange }, SHOWN.map((each) => h("option", { value: each }, each in { pictures: 1, unfinished: 1 } ? t(`gallery.${each}`) : capital(statusWord(each))))),
    from: h("input", { type: "date", id: "by-from", onchange: onChange }),
    until: h("input", { type: "date", id: "by-until", onchange: onChange }),
    batch: h("input", { type: "text", id: "by-batch", placeholder: t("gallery.batchHint"), value: initial.batch ?? "", oninput: soon, pattern: "batch_[0-9a-z]{26}" }),
    metadata: h("input", { type: "text", id: "by-metadata", placeholder: t("gallery.metadataHint"), oninput: soon, pattern: "[^=]+=.*" }),
  };
  const clear = button(t("gallery.clear"), () => {
    for (const [name, field] of Object.entries(fields)) field.value = name === "show" ? "pictures" : "";
    onChange();
  }, { class: "bare" });
  const more = button(t("gallery.moreFilters"), () => unfold(!element.classList.contains("open")), { class: "more" });
  const labels = { prompt: "search", show: "show", from: "from", until: "until", batch: "batch", metadata: "metadata" };
  const parts = Object.entries(fields).map(([name, field]) => h("div", { class: "field" }, h("label", { for: field.id }, t(`gallery.${labels[name]}`)), field));
  const element = h("form", { class: "filters", role: "search", "aria-label": t("gallery.title"), onsubmit: (event) => event.preventDefault() }, parts[0], more, parts.slice(1), clear);
  unfold(Boolean(initial.batch));

  /** Shows or hides all filters but the prompt. On a large screen they are always shown. */
  function unfold(isOpen) {
    element.classList.toggle("open", isOpen);
    more.setAttribute("aria-expanded", String(isOpen));
  }

  return {
    element,
    setBatch(batch) {
      fields.batch.value = batch;
      unfold(true);
    },
    /** Returns the filters that are filled in and whole: half a batch id filters nothing. */
    get value() {
      const whole = Object.entries(fields).filter(([, field]) => field.value && field.validity.valid);
      return Object.fromEntries(whole.map(([name, field]) => [name, field.value.trim()]));
    },
  };
}
