// The fields beside prompt, pictures and size, such as number, seed, steps, quality, text check and visible mark.

import { h, iconButton } from "../js/dom.js";
import { t } from "../js/words.js";
import { reuseField } from "./reuse.js";
import { textCheckField } from "./text_check.js";

export const DEFAULTS = { n: 1, seed: null, num_inference_steps: 50, guidance_scale: 1.5, quality: "exact", output_format: "png", partial_images: 1, visible_mark: false, text_check: null, reuse: false };

/**
 * Returns the fields: `front`, `more` and `ofNew` (elements; the last are for new pictures only), `value`, `set`, and
 * `follow(prompt)`. Reuse and a text check exclude each other, and reuse needs a seed, so a choice changes the others.
 */
export function settingsFields(onChange) {
  const n = segments("n", [1, 2, 3, 4, 6, 8].map((count) => [String(count), String(count)]), t("make.n"));
  const seed = h("input", { type: "number", id: "seed", min: "0", max: String(Number.MAX_SAFE_INTEGER), step: "1", placeholder: t("make.seedRandom"), oninput: seedChanged });
  const dice = iconButton(t("make.dice"), "dice", () => setSeed(newSeed()), { class: "" });
  const none = iconButton(t("make.noSeed"), "close", () => setSeed(null));
  const steps = slider("steps", t("make.steps"), { min: 1, max: 100, step: 1, most: 200 });
  const guidance = slider("guidance", t("make.guidance"), { min: 0, max: 10, step: 0.1, most: 20 });
  const quality = segments("quality", ["exact", "balanced", "fast", "few_steps"].map((value) => [value, t(`make.${value}`)]), t("make.quality"));
  const format = segments("format", [["png", "PNG"], ["webp", "WebP"], ["jpeg", "JPEG"]], t("make.format"));
  const previews = segments("previews", ["0", "1", "2", "3"].map((count) => [count, count]), t("make.previews"));
  const mark = h("input", { type: "checkbox", id: "mark", onchange: onChange, "aria-describedby": "mark-hint" });
  const markField = h("div", { class: "field" }, h("label", { class: "check" }, mark, t("make.mark")), h("p", { class: "hint", id: "mark-hint" }, t("make.markHint")));
  const check = textCheckField(() => {
    if (check.value) reuse.value = false;
    onChange();
  });
  const reuse = reuseField((isOn) => {
    if (isOn) check.set(null);
    if (isOn && seed.value === "") seed.value = newSeed();
    onChange();
  });
  const seedField = h("div", { class: "field" }, h("label", { for: "seed" }, t("make.seed")), h("div", { class: "joined" }, seed, dice, none));

  function setSeed(value) {
    seed.value = value ?? "";
    seedChanged();
  }

  function seedChanged() {
    if (seed.value === "") reuse.value = false;
    onChange();
  }

  function segments(name, choices, label) {
    const options = choices.map(([value, text]) =>
      h("label", {}, h("input", { type: "radio", name, value, onchange: onChange }), h("span", {}, text)),
    );
    const element = h("fieldset", {}, h("legend", {}, label), h("div", { class: "segments even" }, options));
    const inputs = [...element.querySelectorAll("input")];
    return {
      element,
      get value() {
        return inputs.find((input) => input.checked)?.value ?? inputs[0].value;
      },
      set value(wanted) {
        for (const input of inputs) input.checked = input.value === String(wanted);
      },
    };
  }

  function slider(name, label, { min, max, step, most }) {
    const number = h("input", { type: "number", id: name, min, max: most, step, oninput: () => follow(number, range) });
    const range = h("input", { type: "range", min, max, step, "aria-label": label, tabindex: "-1", oninput: () => follow(range, number) });
    const follow = (from, to) => {
      to.value = from.value;
      onChange();
    };
    return {
      element: h("div", { class: "field" }, h("label", { for: name }, label), h("div", { class: "slider" }, range, number)),
      get value() {
        return Number(number.value);
      },
      set value(wanted) {
        [number.value, range.value] = [wanted, wanted];
      },
    };
  }

  return {
    front: [n.element, seedField],
    more: [steps.element, guidance.element, quality.element, format.element, previews.element, markField],
    ofNew: [check.element, reuse.element],
    follow: check.follow,
    get value() {
      return {
        n: Number(n.value),
        ...(seed.value === "" ? {} : { seed: Number(seed.value) }),
        num_inference_steps: steps.value,
        guidance_scale: guidance.value,
        quality: quality.value,
        output_format: format.value,
        partial_images: Number(previews.value),
        visible_mark: mark.checked,
        ...(check.value ? { text_check: check.value } : {}),
        ...(reuse.value ? { reuse: true } : {}),
      };
    },
    set(values) {
      const wanted = { ...DEFAULTS, ...values };
      n.value = wanted.n;
      seed.value = wanted.seed ?? "";
      steps.value = wanted.num_inference_steps;
      guidance.value = wanted.guidance_scale;
      quality.value = wanted.quality;
      format.value = wanted.output_format;
      previews.value = wanted.partial_images;
      mark.checked = wanted.visible_mark;
      check.set(wanted.text_check);
      reuse.value = Boolean(wanted.reuse);
    },
  };
}

function newSeed() {
  return Math.floor(Math.random() * 2 ** 31);
}
