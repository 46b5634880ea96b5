// The part with usage: totals, a chart by day, and the same numbers as a table.

import { address, withQuery } from "../js/api.js";
import { h, icon } from "../js/dom.js";
import { field, menu } from "../js/ask.js";
import { bytes, count, dayName, duration } from "../js/format.js";
import { t } from "../js/words.js";
import { refusal, section } from "../lists/parts.js";
import { barChart } from "./chart.js";
import { amountOf, lastDays, MEASURES, readUsage, seriesOf, sum } from "./usage_rows.js";

const RANGES = { week: 7, month: 30, quarter: 90 };
const TELL = { pictures: count, pixels: count, device_s: duration, stored_bytes: bytes, webhooks: count };
const GROUPS = { none: [], quality: ["quality"], key: ["key"], tenant: ["tenant"] };

/**
 * Returns the part. `whose` is a part of the query of `/v1/usage`: none for the own tenant, `tenant`, or `all_tenants`.
 */
export function usagePart(whose = {}) {
  let turn = 0;
  const splits = Object.keys(GROUPS).filter((name) => name !== "tenant" || whose.all_tenants);
  const range = menu("usage-days", Object.keys(RANGES).map((name) => [name, t(`usage.ranges.${name}`)]), { onchange: read });
  const measure = menu("usage-show", MEASURES.map((name) => [name, t(`usage.measures.${name}`)]), { onchange: read });
  const split = menu("usage-split", splits.map((name) => [name, t(`usage.splits.${name}`)]), { onchange: read });
  range.value = "month";
  split.value = whose.all_tenants ? "tenant" : "none";
  const csv = h("a", { class: "button", download: true }, icon("download"), t("usage.csv"));
  const totals = h("dl", { class: "numbers" });
  const shown = h("div", { class: "field" }, h("p", { class: "quiet" }, t("common.loading")));
  const fields = h("div", { class: "usage-fields" }, field(t("usage.days"), range), field(t("usage.show"), measure), field(t("usage.split"), split), csv);
  const element = section("usage.title", h("div", { class: "card field" }, fields, totals, shown));
  read();

  async function read() {
    const mine = ++turn;
    const days = lastDays(RANGES[range.value]);
    csv.href = address(withQuery("v1/usage", { from: days[0], to: days.at(-1), group_by: whose.all_tenants ? "tenant,day,key,quality" : "day,key,quality", ...whose, format: "csv" }));
    try {
      const { rows, isWhole } = await readUsage(whose, days, ["day", ...GROUPS[split.value]]);
      if (mine !== turn) return;
      totals.replaceChildren(...MEASURES.map((name) => total(rows, name)));
      shown.replaceChildren(...parts(days, rows), isWhole ? "" : h("p", { class: "notice small" }, t("usage.partial")));
    } catch (error) {
      if (mine === turn) shown.replaceChildren(refusal(error));
    }
  }

  function parts(days, rows) {
    const [name, tell] = [measure.value, TELL[measure.value]];
    const series = seriesOf(rows, days, name, (row) => nameOf(row, split.value, name), t("usage.others"));
    const sums = days.map((_, day) => sum(series.map(({ values }) => values[day])));
    const readout = (day) => t("usage.readout", { day: dayName(days[day]), parts: [...(series.length > 1 ? series.filter(({ values }) => values[day]).map((each) => t("usage.part", { name: each.name, value: tell(each.values[day]) })) : []), t("usage.part", { name: t("usage.total"), value: tell(sums[day]) })].join(", ") });
    const label = labelOf(days, sums, t(`usage.measures.${name}`), tell);
    const chart = barChart({ days: days.map(dayName), series, tell, label, readout });
    return series.length ? [chart, table(days, series, sums, tell)] : [h("p", { class: "empty" }, t("usage.nothing"))];
  }

  return element;
}

function total(rows, name) {
  return h("div", {}, h("dt", {}, t(`usage.measures.${name}`)), h("dd", {}, TELL[name](sum(rows.map((row) => amountOf(row, name))))));
}

function nameOf(row, split, measure) {
  if (split === "key") return row.key_id || t("usage.noKey");
  if (split === "quality") return row.quality ? t(`make.${row.quality}`) : t("usage.noQuality");
  return split === "tenant" ? row.tenant : t(`usage.measures.${measure}`);
}

function labelOf(days, sums, measure, tell) {
  const [from, until] = [dayName(days[0]), dayName(days.at(-1))];
  const most = Math.max(...sums);
  if (!most) return t("usage.chartEmpty", { measure, from, until });
  return t("usage.chart", { measure, from, until, total: tell(sum(sums)), most: tell(most), day: dayName(days[sums.indexOf(most)]) });
}

/** Returns the table, newest day first. Days without use are left out. */
function table(days, series, sums, tell) {
  const heads = [t("usage.day"), ...(series.length > 1 ? series.map(({ name }) => name) : []), t("usage.total")];
  const lines = days.map((day, place) => [day, ...(series.length > 1 ? series.map(({ values }) => values[place]) : []), sums[place]]).filter((line) => line.at(-1));
  const rows = lines.reverse().map(([day, ...values]) => h("tr", {}, h("th", { scope: "row" }, day), values.map((value) => h("td", { class: "num" }, tell(value)))));
  const head = h("thead", {}, h("tr", {}, heads.map((name, place) => h("th", { scope: "col", class: place ? "num" : "" }, name))));
  const whole = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("usage.table") }, h("table", {}, head, h("tbody", {}, rows)));
  return h("details", {}, h("summary", { class: "small" }, t("usage.table")), whole);
}
