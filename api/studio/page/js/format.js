// Turns numbers and times into words.

import { t } from "./words.js";

const BYTES = [["TB", 1024 ** 4], ["GB", 1024 ** 3], ["MB", 1024 ** 2]];

/** Returns seconds as a person says them: `8 s`, `3 min`, `2 h 10 min`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return t("common.unknown");
  if (seconds < 1) return seconds < 0.05 ? "0 s" : `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.round((seconds % 3600) / 60)];
  if (hours >= 48) return `${Math.round(hours / 24)} days`;
  return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
}

/** Returns a step's time, which may be far below a second. */
export function stepTime(seconds) {
  if (!seconds) return t("common.none");
  return seconds < 1 ? `${Number((seconds * 1000).toPrecision(2))} ms` : `${Number(seconds.toPrecision(2))} s`;
}

/** Returns how long ago a time was. `when` is RFC 3339 text or Unix seconds. */
export function ago(when) {
  const seconds = (Date.now() - moment(when)) / 1000;
  return seconds < 10 ? t("common.now") : t("common.ago", { time: duration(seconds) });
}

/** Returns an element with a time: relative as text, exact as a hint. */
export function timeOf(when, h) {
  if (!when) return t("common.none");
  const date = new Date(moment(when));
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, ago(when));
}

/** Returns a number as people read it, with at most two digits behind the point if it is small. */
export function count(number) {
  return number.toLocaleString("en", { maximumFractionDigits: number < 10 ? 2 : number < 100 ? 1 : 0 });
}

/** Returns the name of a day, `2026-01-05`, as `5 Jan`, with the year unless it is the present one. */
export function dayName(day) {
  const isOfThisYear = day.startsWith(String(new Date().getUTCFullYear()));
  return new Date(`${day}T00:00:00Z`).toLocaleDateString("en-GB", { timeZone: "UTC", day: "numeric", month: "short", ...(isOfThisYear ? {} : { year: "numeric" }) });
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${Math.round(count / 1024)} KB`;
  const [unit, size] = BYTES.find(([, least]) => count >= least);
  return `${(count / size).toFixed(1)} ${unit}`;
}

function moment(when) {
  return typeof when === "number" ? when * 1000 : Date.parse(when);
}
