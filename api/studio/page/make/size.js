// Chooses the size: a ratio and the longer side, or two numbers.

import { h, shapeIcon } from "../js/dom.js";
import { t } from "../js/words.js";

const RATIOS = [
  ["1:1", 1, 1], ["4:3", 4, 3], ["3:2", 3, 2], ["16:9", 16, 9], ["2:1", 2, 1],
  ["3:4", 3, 4], ["2:3", 2, 3], ["9:16", 9, 16], ["1:2", 1, 2],
];
const SIDES = [256, 384, 512, 768, 1024, 1536, 2048];
const [STEP, LEAST, MOST, MOST_AREA] = [32, 256, 2048, 2 ** 22];

/** Returns width and height in a ratio. The longer side has about `side` pixels, or more where the model needs it. */
export function sizeOf(ratioWidth, ratioHeight, side) {
  const scale = Math.max(side / Math.max(ratioWidth, ratioHeight), LEAST / Math.min(ratioWidth, ratioHeight));
  const fit = (length) => Math.min(MOST, Math.max(LEAST, Math.round(length / STEP) * STEP));
  let [width, height] = [fit(ratioWidth * scale), fit(ratioHeight * scale)];
  while (width * height > MOST_AREA) [width, height] = width >= height ? [width - STEP, height] : [width, height - STEP];
  return { width, height };
}

/** Returns the field of the size: its element, `value` ({ width, height }, or null for that of the first picture). */
export function sizeField(onChange) {
  let isLikeImage = false;
  const width = number("width", onCustom);
  const height = number("height", onCustom);
  const shown = h("span", { class: "hint" });
  const like = h("input", { type: "checkbox", id: "like", onchange: () => set({ isLike: like.checked }) });
  const likeRow = h("div", { class: "row", hidden: true }, like, h("label", { for: "like" }, t("make.sameAsImage")));
  const shapes = RATIOS.map(([name, w, x]) => radio("shape", name, h("span", {}, shapeIcon(w, x), name), onPick));
  const sides = SIDES.map((side) => radio("side", String(side), h("span", {}, String(side)), onPick));
  const own = h("details", {}, h("summary", { class: "small" }, t("make.custom")), h("div", { class: "pair" }, labelled("width", width), labelled("height", height)));
  const choices = h(
    "div",
    { class: "field" },
    h("fieldset", {}, h("legend", {}, t("make.shape")), h("div", { class: "shapes" }, shapes)),
    h("fieldset", {}, h("legend", {}, t("make.resolution")), h("div", { class: "segments even" }, sides)),
    own,
  );
  const element = h("div", { class: "field" }, likeRow, choices, shown);
  set({ width: 1024, height: 1024 });

  function onPick() {
    const [, w, x] = RATIOS.find(([name]) => name === checked("shape")) ?? RATIOS[0];
    set(sizeOf(w, x, Number(checked("side") ?? Math.max(width.value, height.value))));
    onChange();
  }

  function onCustom() {
    mark();
    onChange();
  }

  function checked(name) {
    return element.querySelector(`input[name="${name}"]:checked`)?.value;
  }

  function set({ width: w, height: x, isLike }) {
    if (w) [width.value, height.value] = [w, x];
    if (isLike !== undefined) {
      isLikeImage = isLike;
      like.checked = isLike;
      choices.hidden = isLike;
      onChange();
    }
    mark();
  }

  /** Marks the ratio and the side that the two numbers have, if there are such. */
  function mark() {
    const [w, x] = [Number(width.value), Number(height.value)];
    const side = SIDES.find((each) => each === Math.max(w, x));
    const ratio = RATIOS.find(([, a, b]) => {
      const size = sizeOf(a, b, Math.max(w, x));
      return size.width === w && size.height === x;
    });
    for (const input of element.querySelectorAll('input[type="radio"]')) {
      input.checked = input.value === (input.name === "shape" ? ratio?.[0] : String(side));
    }
    shown.textContent = isLikeImage ? "" : t("make.sizeIs", { width: w, height: x });
  }

  return {
    element,
    set,
    get value() {
      return isLikeImage ? null : { width: Number(width.value), height: Number(height.value) };
    },
    /** Offers the size of the first condition picture while there is one. */
    offerLike(hasImages) {
      if (likeRow.hidden === hasImages) {
        likeRow.hidden = !hasImages;
        set({ isLike: hasImages });
      }
    },
  };
}

function radio(name, value, face, onchange) {
  return h("label", {}, h("input", { type: "radio", name, value, onchange }), face);
}

function number(name, oninput) {
  return h("input", { type: "number", id: name, name, min: LEAST, max: MOST, step: STEP, oninput });
}

function labelled(name, input) {
  return h("div", { class: "field" }, h("label", { for: name }, t(`make.${name}`)), input);
}
