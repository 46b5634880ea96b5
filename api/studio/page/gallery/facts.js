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
    ["prior", job.prior && h("a", { href: `#gallery/${job.prior.job_id}/${job.prior.index}` }, `${job.prior.job_id} / ${job.prior.index}`)],
    ["file", image.bytes ? `${job.output_format.toUpperCase()}, ${bytes(image.bytes)}` : null],
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
