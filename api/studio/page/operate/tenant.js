// One tenant, as the operator sees it: limits and budget, usage, keys and data.

import { call, get } from "../js/api.js";
import { field } from "../js/ask.js";
import { h, toast } from "../js/dom.js";
import { count, duration } from "../js/format.js";
import { may } from "../js/rights.js";
import { t } from "../js/words.js";
import { auditPart } from "../account/audit.js";
import { bucketPart } from "../account/bucket.js";
import { dataPart } from "../account/data.js";
import { keysPart } from "../account/keys.js";
import { usagePart } from "../account/usage.js";
import { amountOf, readUsage } from "../account/usage_rows.js";
import { refusal, section } from "../lists/parts.js";

const FIELDS = ["pictures_per_month", "device_seconds_per_month", "requests_per_minute", "pixels_per_day", "queued_renders", "concurrent_renders", "connections", "streams", "stored_bytes", "weight"];
const LARGEST = 2 ** 53 - 1;

/** Shows the tenant in `place`. Returns a function that ends its reading. */
export function tenantPage(place, tenant, session) {
  const isAdmin = may(session, "admin");
  const data = dataPart(session, tenant, { canEraseSettings: true });
  const bucket = bucketPart(session, tenant);
  place.append(
    h("p", {}, h("a", { href: "#operate" }, t("tenants.back"))),
    h("div", { class: "head" }, h("h1", {}, tenant)),
    limitsForm(tenant, isAdmin),
    usagePart({ tenant }),
    isAdmin ? keysPart(session, tenant) : "",
    bucket.element,
    data.element,
    auditPart({ tenant }),
  );
  return () => [data, bucket].forEach((part) => part.close());
}

function limitsForm(tenant, isAdmin) {
  const path = `v1/tenants/${encodeURIComponent(tenant)}/limits`;
  const inputs = Object.fromEntries(FIELDS.map((name) => [name, h("input", { type: "number", id: `limit-${name}`, min: "1", max: String(LARGEST), step: "1", disabled: true })]));
  const hints = { pictures_per_month: h("span", {}), device_seconds_per_month: h("span", {}) };
  const fault = h("p", { class: "fault bad", role: "alert" });
  const save = h("button", { class: "main", disabled: true }, t("common.save"));
  const fields = FIELDS.map((name) => field(t(`tenants.fields.${name}`), inputs[name], hints[name]));
  const form = h("form", { class: "card field", onsubmit: send }, h("p", { class: "quiet small" }, t("tenants.limitsAbout")), h("div", { class: "limit-fields" }, fields), fault, isAdmin && h("div", { class: "row" }, save));
  let before = {};
  get(path).then(fill, (error) => form.append(refusal(error)));
  readMonth(tenant, hints);

  function fill(found) {
    before = found;
    for (const name of FIELDS) {
      inputs[name].value = found[name] ?? "";
      inputs[name].disabled = !isAdmin;
    }
    save.disabled = false;
  }

  async function send(event) {
    event.preventDefault();
    fault.textContent = "";
    for (const input of Object.values(inputs)) input.removeAttribute("aria-invalid");
    const changes = {};
    for (const name of FIELDS) {
      const value = inputs[name].value === "" ? null : Number(inputs[name].value);
      if (value !== before[name]) changes[name] = value;
    }
    if (!Object.keys(changes).length) return toast(t("tenants.unchanged"));
    try {
      fill(await call("PATCH", path, changes));
      toast(t("common.saved"));
    } catch (error) {
      fault.textContent = error.message;
      inputs[error.field]?.setAttribute("aria-invalid", "true");
      inputs[error.field]?.focus();
    }
    return undefined;
  }

  return section("tenants.limits", form);
}

/** Writes what the tenant used this month beside the fields of its budget. */
async function readMonth(tenant, hints) {
  const today = new Date().toISOString().slice(0, 10);
  const { rows } = await readUsage({ tenant }, [`${today.slice(0, 8)}01`, today], []).catch(() => ({ rows: null }));
  if (!rows) return; // the chart says why
  const used = rows[0] ?? { pictures: 0, ar_device_s: 0, dit_device_s: 0 };
  hints.pictures_per_month.textContent = t("tenants.usedMonth", { used: count(used.pictures) });
  hints.device_seconds_per_month.textContent = t("tenants.usedMonth", { used: duration(amountOf(used, "device_s")) });
}
