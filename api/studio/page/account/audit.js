// The part with the audit log, a page at a time.

import { get, withQuery } from "../js/api.js";
import { field } from "../js/ask.js";
import { button, h } from "../js/dom.js";
import { timeOf } from "../js/format.js";
import { t } from "../js/words.js";
import { refusal, section } from "../lists/parts.js";

const PAGE = 20;
const HEADS = ["when", "who", "act", "result", "facts"];

/** Returns the part. An operator may filter by tenant. */
export function auditPart({ canFilter = false, tenant = "" } = {}) {
  let after = null;
  const rows = h("tbody");
  const wanted = h("input", { type: "search", id: "audit-tenant", autocomplete: "off", placeholder: t("audit.all"), value: tenant });
  const more = button(t("common.more"), () => read(after), { hidden: true });
  const head = h("thead", {}, h("tr", {}, HEADS.map((name) => h("th", { scope: "col" }, t(`audit.${name}`)))));
  const table = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("audit.title") }, h("table", { class: "audit" }, head, rows));
  const told = h("div", {}, h("p", { class: "quiet" }, t("common.loading")));
  const filter = canFilter && h("form", { class: "row", onsubmit: look }, field(t("audit.filter"), wanted), h("button", { class: "low" }, t("audit.show")));
  read();

  function look(event) {
    event.preventDefault();
    read();
  }

  async function read(from = null) {
    try {
      const page = await get(withQuery("v1/audit", { limit: PAGE, after: from, tenant: wanted.value.trim() }));
      if (!from) rows.replaceChildren();
      rows.append(...page.data.map(line));
      [after, more.hidden, table.hidden] = [page.next, !page.has_more, !rows.childElementCount];
      told.replaceChildren(rows.childElementCount ? "" : h("p", { class: "quiet" }, t("audit.none")));
    } catch (error) {
      told.replaceChildren(refusal(error));
    }
  }

  return section("audit.title", h("p", { class: "quiet small" }, t("audit.about")), filter, told, table, more);
}

function line(act) {
  const isRefused = act.status >= 400;
  const result = act.status === null ? t("audit.unfinished") : [act.status, act.code].filter(Boolean).join(" ");
  const facts = Object.entries(act.facts).filter(([, value]) => value !== null && value !== "").map(([name, value]) => `${name}=${value}`);
  return h(
    "tr",
    {},
    h("td", {}, timeOf(act.at, h)),
    h("td", {}, act.tenant ?? t("audit.command"), h("div", { class: "mono quiet" }, act.tenant ? (act.key_id ?? t("audit.noKey")) : "")),
    h("td", { class: "mono" }, act.act, act.path && h("div", { class: "quiet" }, act.path), act.address && h("div", { class: "quiet" }, t("audit.from", act))),
    h("td", { class: isRefused ? "bad" : "" }, result),
    h("td", { class: "mono" }, facts.map((fact) => h("div", {}, fact))),
  );
}
