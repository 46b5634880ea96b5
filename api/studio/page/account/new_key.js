// The form that creates an API key.

import { call } from "../js/api.js";
import { field, menu } from "../js/ask.js";
import { h } from "../js/dom.js";
import { grantable } from "../js/rights.js";
import { t } from "../js/words.js";

const DAY_MS = 24 * 3600 * 1000;
const ENDS = { never: null, day: 1, month: 30, quarter: 90, year: 365 };
const FIRST = new Set(["render", "read"]);

/** Returns the form. `onMade(text)` gets the text of the new key. Without `tenant` the key is for the session's own. */
export function newKeyForm(session, tenant, onMade) {
  const name = h("input", { type: "text", id: "key-name", maxlength: "100", autocomplete: "off" });
  const ends = menu("key-ends", Object.keys(ENDS).map((each) => [each, t(`keys.ends.${each}`)]));
  const networks = h("input", { type: "text", id: "key-networks", autocomplete: "off", spellcheck: "false" });
  const models = h("input", { type: "text", id: "key-models", autocomplete: "off", spellcheck: "false" });
  const boxes = grantable(session).map((scope) => h("input", { type: "checkbox", value: scope, checked: FIRST.has(scope) }));
  const scopes = h("fieldset", {}, h("legend", {}, t("keys.scopes")), h("div", { class: "checks" }, boxes.map((box) => h("label", { class: "check" }, box, t(`keys.scope.${box.value}`)))));
  const fault = h("p", { class: "fault bad", role: "alert" });
  const create = h("button", { class: "main" }, t("keys.create"));
  const restrict = h("details", {}, h("summary", { class: "small" }, t("keys.restrict")), h("div", { class: "split" }, field(t("keys.networks"), networks, t("keys.networksHint")), field(t("keys.models"), models, t("keys.modelsHint"))));
  const inputs = { name, networks, models, expires_at: ends };

  function request() {
    const days = ENDS[ends.value];
    return {
      ...(tenant ? { tenant } : {}),
      name: name.value.trim(),
      scopes: boxes.filter((box) => box.checked).map((box) => box.value),
      ...(days ? { expires_at: new Date(Date.now() + days * DAY_MS).toISOString() } : {}),
      ...listed("networks", networks),
      ...listed("models", models),
    };
  }

  async function send(event) {
    event.preventDefault();
    for (const input of Object.values(inputs)) input.removeAttribute("aria-invalid");
    fault.textContent = boxes.some((box) => box.checked) ? "" : t("keys.needsScope");
    if (fault.textContent) return;
    create.disabled = true;
    try {
      const made = await call("POST", "v1/keys", request());
      form.reset();
      restrict.open = false;
      await onMade(made.key);
    } catch (error) {
      fault.textContent = error.message;
      const wrong = inputs[error.field?.split(".")[0]];
      wrong?.setAttribute("aria-invalid", "true");
      wrong?.focus();
    } finally {
      create.disabled = false;
    }
  }

  const form = h(
    "form",
    { class: "card field new-key", onsubmit: send },
    h("h3", {}, t("keys.make")),
    h("div", { class: "split" }, field(t("keys.name"), name, t("keys.nameHint")), field(t("keys.expires"), ends)),
    scopes,
    restrict,
    fault,
    h("div", { class: "row" }, create),
  );
  return form;
}

/** Returns a field of the request with the texts between the commas; nothing if the input is empty. */
function listed(name, input) {
  const texts = input.value.split(",").map((text) => text.trim()).filter(Boolean);
  return texts.length ? { [name]: texts } : {};
}
