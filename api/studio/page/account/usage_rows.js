// Reads usage from the API, and turns its rows into a series of values by day. Draws nothing.

import { get, withQuery } from "../js/api.js";
import { MOST_SERIES } from "./chart.js";

const PAGE = 1000;
const MOST_PAGES = 10;
const DAY_MS = 24 * 3600 * 1000;
export const MEASURES = ["pictures", "pixels", "device_s", "stored_bytes", "webhooks"];

/** Returns the last `count` days in UTC until today, as `2026-01-05`. */
export function lastDays(count) {
  return Array.from({ length: count }, (_, place) => new Date(Date.now() - (count - 1 - place) * DAY_MS).toISOString().slice(0, 10));
}

/** Returns `rows` of usage and whether they are all. `whose` is a part of the query: `tenant` or `all_tenants`. */
export async function readUsage(whose, days, groups) {
  const rows = [];
  let after = null;
  for (let page = 0; page < MOST_PAGES; page++) {
    const found = await get(withQuery("v1/usage", { from: days[0], to: days.at(-1), group_by: groups.join(","), ...whose, limit: PAGE, after }));
    rows.push(...found.data);
    after = found.next;
    if (!found.has_more) return { rows, isWhole: true };
  }
  return { rows, isWhole: false };
}

/** Returns how much of a measure a row has. Device time is that of both stages; pixels are counted in millions. */
export function amountOf(row, measure) {
  if (measure === "device_s") return row.ar_device_s + row.dit_device_s;
  return measure === "pixels" ? row.pixels / 1e6 : row[measure];
}

/**
 * Returns series `{ name, values }` with a value for each day, the largest first. `nameOf(row)` says to which series a
 * row belongs. What does not fit into `MOST_SERIES` is added up under the name `others`.
 */
export function seriesOf(rows, days, measure, nameOf, others) {
  const place = new Map(days.map((day, index) => [day, index]));
  const found = new Map();
  for (const row of rows) {
    const name = nameOf(row);
    if (!found.has(name)) found.set(name, new Array(days.length).fill(0));
    if (place.has(row.day)) found.get(name)[place.get(row.day)] += amountOf(row, measure);
  }
  const all = [...found].map(([name, values]) => ({ name, values })).filter(({ values }) => sum(values)).sort((a, b) => sum(b.values) - sum(a.values));
  if (all.length <= MOST_SERIES) return all;
  const rest = all.slice(MOST_SERIES - 1);
  return [...all.slice(0, MOST_SERIES - 1), { name: others, values: days.map((_, day) => sum(rest.map(({ values }) => values[day]))) }];
}

export function sum(values) {
  return values.reduce((total, each) => total + each, 0);
}
