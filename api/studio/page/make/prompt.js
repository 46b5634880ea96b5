// The prompt with its quoted parts highlighted. A picture shows quoted text letter by letter.

import { h } from "../js/dom.js";
import { t } from "../js/words.js";

// As in shared/quoted_text.py: a single quote between two letters is an apostrophe.
const QUOTED = new RegExp(
  [
    '"[^"]*"',
    "(?<![\\p{L}\\p{N}_])'(?:[^']|(?<=[\\p{L}\\p{N}_])'(?=[\\p{L}\\p{N}_]))*'(?![\\p{L}\\p{N}_])",
    "“[^“”]*”",
    "‘(?:[^‘’]|(?<=[\\p{L}\\p{N}_])’(?=[\\p{L}\\p{N}_]))*’(?![\\p{L}\\p{N}_])",
    "「[^「」]*」",
    "『[^『』]*』",
    "«[^«»]*»",
  ].join("|"),
  "gu",
);

/** Returns the parts of a prompt in order: text, and whether it is quoted. */
export function partsOf(prompt) {
  const parts = [];
  let end = 0;
  for (const match of prompt.matchAll(QUOTED)) {
    if (match.index > end) parts.push({ text: prompt.slice(end, match.index), isQuoted: false });
    parts.push({ text: match[0], isQuoted: true });
    end = match.index + match[0].length;
  }
  if (end < prompt.length) parts.push({ text: prompt.slice(end), isQuoted: false });
  return parts;
}

/** Returns the field of the prompt: its element, `value`, and `set`. Calls `onChange` after each change. */
export function promptField(onChange) {
  const shade = h("div", { class: "shade", "aria-hidden": "true" });
  const hint = h("span", { class: "hint", id: "prompt-hint" });
  const input = h("textarea", { id: "prompt", name: "prompt", rows: "4", required: true, maxlength: "8000", placeholder: t("make.placeholder"), "aria-describedby": "prompt-hint", oninput: changed });
  input.addEventListener("scroll", () => (shade.scrollTop = input.scrollTop));
  paint();

  function paint() {
    const parts = partsOf(input.value);
    shade.replaceChildren(...parts.map(({ text, isQuoted }) => (isQuoted ? h("mark", {}, text) : text)), "\u200b");
    const quoted = parts.filter((part) => part.isQuoted).map((part) => part.text.slice(1, -1));
    hint.textContent = quoted.length ? t("make.quoted", { texts: quoted.join(" · ") }) : t("make.promptHint");
  }

  function changed() {
    paint();
    onChange();
  }

  return {
    element: h("div", { class: "field" }, h("label", { for: "prompt" }, t("make.prompt")), h("div", { class: "prompt" }, shade, input), hint),
    input,
    get value() {
      return input.value;
    },
    set(text) {
      input.value = text;
      paint();
    },
  };
}
