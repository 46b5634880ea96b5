// The field of the text check: whether the text in a picture is read, and how often a wrong one is drawn again.

import { post } from "../js/api.js";
import { h } from "../js/dom.js";
import { t } from "../js/words.js";
import { partsOf } from "./prompt.js";

const REDRAWS = [0, 1, 3, 5, 10];
const PROBE = { prompt: '"a"', text_check: { redraws: 0 } };

/** Returns whether a prompt quotes a word, which a text check can look for. */
export function quotesWords(prompt) {
  return partsOf(prompt).some(({ text, isQuoted }) => isQuoted && /[\p{L}\p{N}]/u.test(text));
}

/** Returns the field: `element`, `value` (`{ redraws }` or null), `set`, and `follow(prompt)`, which offers it for prompts with quotes. */
export function textCheckField(onChange) {
  const off = h("option", { value: "" }, t("make.checkOff"));
  const choice = h("select", { id: "text-check", onchange: onChange, "aria-describedby": "text-check-hint" }, off, REDRAWS.map(optionOf));
  const hint = h("p", { class: "hint", id: "text-check-hint" });
  const element = h("div", { class: "field" }, h("label", { for: "text-check" }, t("make.check")), choice, hint);
  let isPossible = true;
  let isQuoted = false;
  paint();
  ask();

  /** Asks the service whether it reads text. Without an answer the field stays, and a refused request says why. */
  async function ask() {
    try {
      const { errors } = await post("v1/jobs/validate", PROBE);
      isPossible = !errors.some((each) => each.field === "text_check");
    } catch {
      return;
    }
    paint();
  }

  function paint() {
    choice.disabled = !isPossible || !isQuoted;
    hint.textContent = isPossible ? t(isQuoted ? "make.checkHint" : "make.checkQuotes") : t("make.checkImpossible");
  }

  return {
    element,
    get value() {
      return choice.disabled || choice.value === "" ? null : { redraws: Number(choice.value) };
    },
    set(wanted) {
      const value = wanted ? String(wanted.redraws) : "";
      if (![...choice.options].some((each) => each.value === value)) choice.append(optionOf(wanted.redraws));
      choice.value = value;
    },
    follow(prompt) {
      isQuoted = quotesWords(prompt);
      paint();
    },
  };
}

function optionOf(redraws) {
  return h("option", { value: String(redraws) }, redraws ? t("make.checkRedraws", { count: redraws }) : t("make.checkRead"));
}
