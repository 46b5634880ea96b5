// The form with which an operator gives a tenant a bucket. A secret key is sent once and kept nowhere.

import { field, menu } from "../js/ask.js";
import { button, h } from "../js/dom.js";
import { t } from "../js/words.js";

const ACCESS = ["key", "role", "service"];
const FIELDS_OF = { key: ["access_key", "secret_key"], role: ["role_arn", "external_id"], service: [] };
const PLAIN = ["bucket", "prefix", "endpoint_url", "region"];
const NEEDED = new Set(["bucket", "access_key", "secret_key", "role_arn"]);

/** Returns the form: `element`, and `follow(bucket)`, which tells it the present one. `save(fields)` raises `Fault`. */
export function bucketForm(save, onRemove) {
  const names = [...PLAIN, ...FIELDS_OF.key, ...FIELDS_OF.role];
  const inputs = Object.fromEntries(names.map((name) => [name, input(name)]));
  const fields = Object.fromEntries(names.map((name) => [name, field(t(`bucket.fields.${name}`), inputs[name], t(`bucket.hints.${name}`))]));
  const access = menu("bucket-access", ACCESS.map((each) => [each, t(`bucket.choices.${each}`)]), { onchange: suit });
  const fault = h("p", { class: "fault bad", role: "alert" });
  const send = h("button", { class: "main" }, t("bucket.save"));
  const drop = button(t("bucket.remove"), onRemove, { class: "danger", hidden: true });
  const summary = h("summary", {});
  const form = h(
    "form",
    { class: "field", onsubmit: sent },
    h("div", { class: "limit-fields" }, PLAIN.map((name) => fields[name]), field(t("bucket.fields.access"), access), FIELDS_OF.key.map((name) => fields[name]), FIELDS_OF.role.map((name) => fields[name])),
    fault,
    h("div", { class: "row" }, send, drop),
  );
  const element = h("details", {}, summary, form);
  let shown = null; // the bucket that the form was filled from last
  suit();

  /** Shows the fields of the chosen access alone. */
  function suit() {
    for (const [kind, own] of Object.entries(FIELDS_OF)) {
      for (const name of own) {
        fields[name].hidden = kind !== access.value;
        inputs[name].required = NEEDED.has(name) && kind === access.value;
      }
    }
  }

  /** Fills in a bucket that has changed; what a person is typing stays otherwise. */
  function follow(found) {
    const state = JSON.stringify([found.location, found.endpoint_url, found.updated_at]);
    if (state === shown) return;
    shown = state;
    for (const name of names) inputs[name].value = found[name] ?? "";
    access.value = found.access ?? "key";
    drop.hidden = !found.bucket;
    summary.textContent = t(found.bucket ? "bucket.change" : "bucket.give");
    suit();
  }

  function request() {
    const given = [...PLAIN, ...FIELDS_OF[access.value]].map((name) => [name, inputs[name].value.trim()]);
    return Object.fromEntries(given.filter(([, value]) => value));
  }

  async function sent(event) {
    event.preventDefault();
    for (const each of Object.values(inputs)) each.removeAttribute("aria-invalid");
    fault.textContent = "";
    [send.disabled, send.textContent] = [true, t("bucket.checking")];
    try {
      await save(request());
      inputs.secret_key.value = "";
    } catch (error) {
      fault.textContent = error.message;
      inputs[error.field]?.setAttribute("aria-invalid", "true");
      inputs[error.field]?.focus();
    } finally {
      [send.disabled, send.textContent] = [false, t("bucket.save")];
    }
  }

  return { element, follow };
}

function input(name) {
  const type = name === "secret_key" ? "password" : name === "endpoint_url" ? "url" : "text";
  return h("input", { type, id: `bucket-${name}`, required: NEEDED.has(name), autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
}
