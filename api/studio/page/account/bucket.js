// The part with a tenant's own bucket: where copies go, whether they arrive, and which were refused.

import { call, get, remove } from "../js/api.js";
import { asked } from "../js/ask.js";
import { button, complain, h, toast } from "../js/dom.js";
import { ago, duration } from "../js/format.js";
import { may } from "../js/rights.js";
import { t } from "../js/words.js";
import { polled, refusal, renewed, section } from "../lists/parts.js";
import { bucketForm } from "./bucket_form.js";

const EVERY_MS = 15000;
const LAST_JOBS = 100;
const MOST_SHOWN = 10;

/** Returns the part for a tenant, and `close`. `isOwn`: it is the tenant of the session, whose jobs can be read. */
export function bucketPart(session, tenant, { isOwn = false } = {}) {
  const path = `v1/tenants/${encodeURIComponent(tenant)}/bucket`;
  const mayChange = may(session, "admin") && may(session, "operator");
  const state = h("div", { class: "field" }, h("p", { class: "quiet" }, t("common.loading")));
  const refused = h("div", { class: "field" });
  const form = mayChange ? bucketForm(save, removeBucket) : null;
  const about = h("p", { class: "quiet small" }, t(mayChange ? "bucket.about" : "bucket.aboutRead"));
  const close = polled(read, EVERY_MS);

  async function read() {
    try {
      const found = await get(path);
      renewed(state, ...stateParts(found));
      form?.follow(found);
      if (isOwn) renewed(refused, ...(found.bucket ? await refusedParts() : []));
    } catch (error) {
      state.replaceChildren(refusal(error));
    }
  }

  /** Sends the fields. The service checks the bucket before it takes it. Raises `Fault`. */
  async function save(fields) {
    await call("PUT", path, fields);
    toast(t("bucket.saved"));
    await read();
  }

  async function removeBucket() {
    const fields = [h("p", {}, t("bucket.removeAbout"))];
    if (!(await asked(t("bucket.removeAsk", { tenant }), fields, t("bucket.remove"), { isDanger: true }))) return;
    try {
      await remove(path);
      toast(t("bucket.removed"));
    } catch (error) {
      complain(error);
    }
    await read();
  }

  const card = h("div", { class: "card field bucket" }, state, refused, form?.element);
  return { element: section("bucket.title", about, card), close };
}

/** Returns what is known about a bucket: its place, its access, and what waits or fails. */
function stateParts(found) {
  if (!found.bucket) return [h("p", { class: "quiet" }, t("bucket.none"))];
  const rows = [
    ["location", h("span", { class: "mono" }, found.location)],
    ["server", found.endpoint_url ?? t("bucket.aws", { region: found.region })],
    ["access", t(`bucket.accessOf.${found.access}`, { name: found.access_key ?? found.role_arn })],
    ["changed", ago(found.updated_at)],
    ["waiting", String(found.num_waiting)],
    ["deleting", found.num_deleting ? String(found.num_deleting) : null],
  ];
  const shown = rows.filter(([, value]) => value !== null);
  const list = h("dl", { class: "facts" }, shown.map(([name, value]) => [h("dt", {}, t(`bucket.${name}`)), h("dd", {}, value)]));
  return [list, stateOf(found)];
}

/** Returns in words whether the bucket takes copies now. */
function stateOf(found) {
  if (!found.error) return h("p", { class: "small good" }, t("bucket.works"));
  const time = duration(found.failing_since && (Date.now() - Date.parse(found.failing_since)) / 1000);
  return h("div", { class: "notice fault", role: "status" }, h("p", {}, t("bucket.refuses", { time })), h("p", { class: "small" }, found.error));
}

/** Returns the refused copies among the newest jobs, with links to them. */
async function refusedParts() {
  const { data } = await get(`v1/jobs?limit=${LAST_JOBS}`);
  const failed = data.filter((job) => job.bucket_copy?.status === "failed");
  if (!failed.length) return [];
  const rows = failed.slice(0, MOST_SHOWN).map((job) =>
    h("li", {}, h("a", { href: `#gallery/${job.id}/0` }, job.prompt), h("p", { class: "small bad" }, job.bucket_copy.error)),
  );
  return [h("h3", {}, t("bucket.refused", { count: failed.length })), h("p", { class: "quiet small" }, t("bucket.refusedAbout", { jobs: LAST_JOBS })), h("ul", { class: "plain" }, rows)];
}
