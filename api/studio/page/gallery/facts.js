// Everything that made a picture, as a list of names and values.

import { bytes, duration, timeOf } from "../js/format.js";
import { h } from "../js/dom.js";
import { t } from "../js/words.js";

/** Returns the list for a picture of a job. */
export function factsOf(job, image) {
  const { ar_s: ar, dit_s: dit } = image.timings;
  const rendered = job.rendered_size === `${job.width}x${job.height}` ? "" : ` (${job.rendered_size})`;
  const rows = [
    ["size", `${image.width} × ${image.height}${rendered}`],
    ["seed", String(image.seed)],
    ["steps", String(job.num_inference_steps)],
    ["guidance", String(job.guidance_scale)],
    ["quality", t(`make.${job.quality}`)],
    ["mark", job.visible_mark ? t("common.yes") : null],
    ["prior", job.prior && pictureLink(job.prior)],
    ["reused", image.reused_from && pictureLink(image.reused_from)],
    ["text", textOf(image.text_check)],
    ["read", image.text_check && image.text_check.matches !== null ? image.text_check.read || t("large.readNothing") : null],
    ["file", image.bytes ? `${job.output_format.toUpperCase()}, ${bytes(image.bytes)}` : null],
    ["bucketCopy", copyOf(job.bucket_copy)],
    ["made", timeOf(job.finished_at ?? job.created_at, h)],
    ["took", dit === null ? null : ar === null ? duration(dit) : t("large.tookParts", { ar: duration(ar), dit: duration(dit) })],
    ["priority", job.priority],
    ["model", job.model],
    ["revision", job.revision],
    ["metadata", Object.keys(job.metadata).length ? Object.entries(job.metadata).map(([name, value]) => `${name}=${value}`).join(", ") : null],
    ["job", h("span", { class: "mono" }, job.id)],
  ];
  const shown = rows.filter(([, value]) => value !== null && value !== undefined);
  return h("dl", { class: "facts" }, shown.map(([name, value]) => [h("dt", {}, t(`large.${name}`)), h("dd", {}, value)]));
}

function pictureLink({ job_id: id, index }) {
  return h("a", { class: "mono", href: `#gallery/${id}/${index}` }, `${id} / ${index}`);
}

/** Returns where the copy in the tenant's own bucket is, or why there is none; null without a bucket. */
export function copyOf(copy) {
  if (!copy) return null;
  if (copy.status === "failed") return h("span", { class: "bad" }, t("large.copyFailed", { why: copy.error }));
  return copy.status === "pending" ? t("large.copyPending") : h("span", { class: "mono" }, copy.location);
}

/** Returns what the text check found, in words; null without one. */
function textOf(check) {
  if (!check) return null;
  return [textResult(check), check.redraws > 0 && t("large.redraws", { count: check.redraws })].filter(Boolean).join(" · ");
}

function textResult({ matches, edit_distance: distance, error }) {
  if (matches === null) return t("large.textUnread", { why: error?.message ?? t("common.unknown") });
  return matches ? t("large.textRight") : t("large.textWrong", { distance: Number(distance.toFixed(2)) });
}
