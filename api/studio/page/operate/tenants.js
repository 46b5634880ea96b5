// The part with all known tenants. The API has no list of tenants, so it reads those with usage and those with keys.

import { get, withQuery } from "../js/api.js";
import { field } from "../js/ask.js";
import { h } from "../js/dom.js";
import { count, duration } from "../js/format.js";
import { may } from "../js/rights.js";
import { t } from "../js/words.js";
import { amountOf, lastDays, readUsage } from "../account/usage_rows.js";
import { refusal, section } from "../lists/parts.js";

const DAYS = 30;
const MOST_PAGES = 10;

/** Returns the part: a table of tenants, and a field that opens any tenant. */
export function tenantsPart(session) {
  const shown = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("tenants.title") }, h("p", { class: "quiet" }, t("common.loading")));
  const name = h("input", { type: "text", id: "tenant-name", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const isAdmin = may(session, "admin");
  read();

  async function read() {
    try {
      const [{ rows }, keys] = await Promise.all([readUsage({ all_tenants: true }, lastDays(DAYS), ["tenant"]), isAdmin ? numKeys() : new Map()]);
      const used = new Map(rows.map((row) => [row.tenant, row]));
      const names = [...new Set([...used.keys(), ...keys.keys()])].sort();
      shown.replaceChildren(names.length ? table(names, used, keys) : h("p", { class: "quiet" }, t("tenants.none")));
    } catch (error) {
      shown.replaceChildren(refusal(error));
    }
  }

  function open(event) {
    event.preventDefault();
    location.hash = hashOf(name.value.trim());
  }

  const form = h("form", { class: "row", onsubmit: open }, field(t("tenants.openAny"), name), h("button", { class: "low" }, t("tenants.open")));
  return section("tenants.title", h("p", { class: "quiet small" }, t(isAdmin ? "tenants.about" : "tenants.some")), shown, form);
}

function hashOf(tenant) {
  return `#operate/${encodeURIComponent(tenant)}`;
}

function table(names, used, keys) {
  const rows = names.map((tenant) => {
    const row = used.get(tenant);
    const numbers = [row ? count(row.pictures) : "0", row ? duration(amountOf(row, "device_s")) : "0 s", keys.size ? String(keys.get(tenant) ?? 0) : t("common.none")];
    return h("tr", {}, h("th", { scope: "row" }, h("a", { href: hashOf(tenant) }, tenant)), numbers.map((number) => h("td", { class: "num" }, number)));
  });
  const heads = ["common.tenant", "tenants.pictures", "tenants.device", "tenants.keys"];
  const head = h("thead", {}, h("tr", {}, heads.map((each, place) => h("th", { scope: "col", class: place ? "num" : "" }, t(each)))));
  return h("table", {}, head, h("tbody", {}, rows));
}

/** Returns the number of active API keys of each tenant. */
async function numKeys() {
  const found = new Map();
  let after = null;
  for (let page = 0; page < MOST_PAGES; page++) {
    const keys = await get(withQuery("v1/keys", { all_tenants: true, limit: 100, after }));
    for (const key of keys.data) found.set(key.tenant, (found.get(key.tenant) ?? 0) + (key.status === "active" ? 1 : 0));
    if (!keys.has_more) break;
    after = keys.next;
  }
  return found;
}
