// The part with limits and budget: what is used, what is left, and when it refills.

import { get } from "../js/api.js";
import { h } from "../js/dom.js";
import { bytes, count, dayName, duration } from "../js/format.js";
import { t } from "../js/words.js";
import { polled, refusal, section } from "../lists/parts.js";

const EVERY_MS = 15000; // each reading counts as a request
const HIGH = 0.8; // from this share on, a limit is nearly used up
const megapixels = (pixels) => count(pixels / 1e6);
const LIMITS = { requests: count, pixels: megapixels, queued_renders: count, concurrent_renders: count, connections: count, streams: count, stored_bytes: bytes };
const BUDGETS = { pictures_per_month: count, device_seconds_per_month: duration };

/** Returns the parts, and `close`, which ends their reading. */
export function limitsPart() {
  const limits = h("ul", { class: "gauges" }, h("li", { class: "quiet" }, t("common.loading")));
  const budgets = h("ul", { class: "gauges" }, h("li", { class: "quiet" }, t("common.loading")));
  const close = polled(read, EVERY_MS);

  async function read() {
    try {
      const found = await get("v1/limits");
      limits.replaceChildren(...Object.entries(LIMITS).map(([name, tell]) => gauge(name, found[name], tell, t("limits.noLimit"))));
      budgets.replaceChildren(...Object.entries(BUDGETS).map(([name, tell]) => gauge(name, found[name], tell, t("limits.noBudget"))));
    } catch (error) {
      for (const place of [limits, budgets]) place.replaceChildren(h("li", {}, refusal(error)));
    }
  }

  return { elements: [section("limits.budgetTitle", budgets), section("limits.title", h("p", { class: "quiet small" }, t("limits.about")), limits)], close };
}

/** Returns a limit as a bar with words. */
function gauge(name, limit, tell, without) {
  const label = t(`limits.${name}`);
  const used = limit.used ?? limit.limit - limit.remaining;
  const isLimited = limit.limit !== null;
  const share = isLimited ? used / limit.limit : 0;
  const level = share >= 1 ? "full" : share >= HIGH ? "high" : "ok";
  const number = isLimited ? t("limits.usedOf", { used: tell(used), limit: tell(limit.limit) }) : without;
  const bar = isLimited && h("progress", { max: "1", value: String(Math.min(1, share)), "data-level": level, "aria-label": label });
  const rest = isLimited ? [t("limits.left", { left: tell(limit.remaining) }), refill(limit)] : [limit.used === undefined ? null : t("limits.used", { used: tell(used) })];
  return h(
    "li",
    { "data-limit": name },
    h("div", { class: "gauge-head" }, h("span", {}, label), h("span", { class: isLimited ? "amount" : "amount quiet" }, number)),
    bar,
    h("p", { class: level === "full" ? "small bad" : "small quiet" }, rest.filter(Boolean).join(" · ")),
  );
}

/** Returns in words when a limit refills; null for one that does not refill by time, or of which all is left. */
function refill(limit) {
  if (limit.refills_at) return t("limits.refillsOn", { day: dayName(limit.refills_at.slice(0, 10)) });
  if (limit.full_s === undefined) return limit.remaining ? null : t("limits.usedUp");
  if (!limit.remaining) return t("limits.nextIn", { time: duration(limit.reset_s) });
  return limit.full_s ? t("limits.fullIn", { time: duration(limit.full_s) }) : null;
}
