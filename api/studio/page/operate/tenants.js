// The part with all tenants, a page at a time: what each has and what it used lately.

import { get, withQuery } from "../js/api.js";
import { field } from "../js/ask.js";
import { button, h } from "../js/dom.js";
import { bytes, count, duration } from "../js/format.js";
import { t } from "../js/words.js";
import { amountOf, lastDays, readUsage } from "../account/usage_rows.js";
import { refusal, section } from "../lists/parts.js";

const DAYS = 30;
const PAGE = 50;
const HEADS = ["common.tenant", "tenants.openJobs", "tenants.queued", "tenants.running", "tenants.stored", "tenants.pictures", "tenants.device", "tenants.keys"];
const NOTHING = { pictures: 0, ar_device_s: 0, dit_device_s: 0 };
const MARKS = { is_paused: "paused", is_erasing: "erasing", has_limits: "limits", has_bucket: "bucket" };

/** Returns the part: a table of tenants, and a field that opens any tenant. */
export function tenantsPart() {
  const rows = h("tbody");
  const head = h("thead", {}, h("tr", {}, HEADS.map((each, place) => h("th", { scope: "col", class: place ? "num" : "" }, t(each)))));
  const shown = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("tenants.title"), hidden: true }, h("table", {}, head, rows));
  const told = h("div", {}, h("p", { class: "quiet" }, t("common.loading")));
  const more = button(t("common.more"), () => read(after), { hidden: true });
  const name = h("input", { type: "text", id: "tenant-name", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const usage = usageByTenant();
  let after = null;
  read();

  async function read(from = null) {
    try {
      const page = await get(withQuery("v1/tenants", { limit: PAGE, after: from }));
      const usedBy = await usage;
      rows.append(...page.data.map((tenant) => line(tenant, usedBy(tenant.id))));
      [after, more.hidden, shown.hidden] = [page.next, !page.has_more, false];
      told.replaceChildren();
    } catch (error) {
      told.replaceChildren(refusal(error));
    }
  }

  function open(event) {
    event.preventDefault();
    location.hash = hashOf(name.value.trim());
  }

  const form = h("form", { class: "row", onsubmit: open }, field(t("tenants.openAny"), name), h("button", { class: "low" }, t("tenants.open")));
  return section("tenants.title", h("p", { class: "quiet small" }, t("tenants.about", { days: DAYS })), told, shown, more, form);
}

function hashOf(tenant) {
  return `#operate/${encodeURIComponent(tenant)}`;
}

/** Returns a function of a tenant: its usage of the last days. null: it is not known, as the key can't read usage. */
async function usageByTenant() {
  try {
    const { rows, isWhole } = await readUsage({ all_tenants: true }, lastDays(DAYS), ["tenant"]);
    const found = new Map(rows.map((row) => [row.tenant, row]));
    return (tenant) => found.get(tenant) ?? (isWhole ? NOTHING : null);
  } catch {
    return () => null;
  }
}

/** Returns the row of a tenant. `used` is its usage of the last days, or null. */
function line(tenant, used) {
  const marks = Object.keys(MARKS).filter((each) => tenant[each]).map((each) => h("span", { class: "tag" }, t(`tenants.marks.${MARKS[each]}`)));
  const numbers = [
    count(tenant.num_open_jobs),
    count(tenant.queued_renders),
    count(tenant.running_renders),
    bytes(tenant.stored_bytes),
    used ? count(used.pictures) : t("common.none"),
    used ? duration(amountOf(used, "device_s")) : t("common.none"),
    count(tenant.num_keys),
  ];
  const about = h("th", { scope: "row" }, h("a", { href: hashOf(tenant.id) }, tenant.id), marks.length ? h("div", { class: "marks" }, marks) : null);
  return h("tr", { "data-tenant": tenant.id }, about, numbers.map((number) => h("td", { class: "num" }, number)));
}
