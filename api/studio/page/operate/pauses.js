// The part with pauses of stages, classes, tenants and model revisions.

import { call, get, remove } from "../js/api.js";
import { field, menu } from "../js/ask.js";
import { button, complain, h, toast } from "../js/dom.js";
import { timeOf } from "../js/format.js";
import { may } from "../js/rights.js";
import { t } from "../js/words.js";
import { polled, refusal, renewed, section } from "../lists/parts.js";

const EVERY_MS = 15000;
const NAMES = { stage: ["dit", "ar"], class: ["batch", "interactive"] };
const KINDS = ["stage", "class", "tenant", "revision"];

const pathOf = (kind, name) => `v1/pauses/${kind}/${encodeURIComponent(name)}`;

/** Returns the part and `close`. */
export function pausesPart(session) {
  const list = h("ul", { class: "rows" }, h("li", { class: "quiet" }, t("common.loading")));
  const close = polled(read, EVERY_MS);

  async function read() {
    try {
      const { data } = await get("v1/pauses");
      renewed(list, ...(data.length ? data.map(row) : [h("li", { class: "quiet" }, t("pauses.none"))]));
    } catch (error) {
      list.replaceChildren(h("li", {}, refusal(error)));
    }
  }

  function row(pause) {
    const what = t("pauses.of", { kind: t(`pauses.kindNames.${pause.kind}`), name: pause.name });
    return h(
      "li",
      { "data-pause": `${pause.kind}/${pause.name}` },
      h(
        "div",
        { class: "line" },
        h("span", { class: "what" }, h("strong", {}, what), pause.reason && ` ${pause.reason}`),
        h("span", { class: "quiet small" }, timeOf(pause.since, h), pause.key_id && ` · ${pause.key_id}`),
        may(session, "admin") && button(t("pauses.resume"), () => resume(pause), { "aria-label": `${t("pauses.resume")}: ${what}` }),
      ),
    );
  }

  async function resume({ kind, name }) {
    try {
      await remove(pathOf(kind, name));
      toast(t("pauses.resumed"));
    } catch (error) {
      complain(error);
    }
    document.activeElement?.blur(); // the row of the button goes away
    await read();
  }

  return { element: section("pauses.title", h("p", { class: "quiet small" }, t("pauses.about")), list, may(session, "admin") && pauseForm(read)), close };
}

function pauseForm(onPaused) {
  const kind = menu("pause-kind", KINDS.map((each) => [each, t(`pauses.kinds.${each}`)]), { onchange: suit });
  const place = h("div", {});
  const reason = h("input", { type: "text", id: "pause-reason", maxlength: "200", autocomplete: "off" });
  const fault = h("p", { class: "fault bad", role: "alert" });
  let name = null;
  suit();

  /** Offers the names that the kind has, or a field for one. */
  function suit() {
    const known = NAMES[kind.value];
    name = known ? menu("pause-name", known.map((each) => [each, t(`pauses.names.${each}`)])) : h("input", { type: "text", id: "pause-name", required: true, autocomplete: "off", spellcheck: "false" });
    place.replaceChildren(field(t("pauses.name"), name));
  }

  async function send(event) {
    event.preventDefault();
    fault.textContent = "";
    try {
      await call("PUT", pathOf(kind.value, name.value.trim()), { reason: reason.value.trim() });
      toast(t("pauses.paused"));
      reason.value = "";
      suit();
      await onPaused();
    } catch (error) {
      fault.textContent = error.message;
    }
  }

  return h(
    "form",
    { class: "card field", onsubmit: send },
    h("div", { class: "thirds" }, field(t("pauses.kind"), kind), place, field(t("common.reason"), reason, t("pauses.reasonHint"))),
    fault,
    h("div", { class: "row" }, h("button", { class: "main" }, t("pauses.pause"))),
  );
}
