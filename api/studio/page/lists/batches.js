// The view Batches: a new one from a file, and all batches with their progress and results.

import { address, get, post, remove, thumbnail, withQuery } from "../js/api.js";
import { button, complain, confirmed, h, throttled } from "../js/dom.js";
import { onEvent, onGap } from "../js/events.js";
import { duration, timeOf } from "../js/format.js";
import { t } from "../js/words.js";
import { copyOf } from "../gallery/facts.js";
import { newBatch } from "./new_batch.js";
import { polled, refusal, statusOf } from "./parts.js";

const EVERY_MS = 6000;
const SOON_MS = 2000;
const SHOWN_PICTURES = 12;
const FINAL = new Set(["completed", "failed", "expired", "cancelled"]);

export async function show(place) {
  let last = null;
  const rows = new Map();
  const list = h("ul", { class: "rows" });
  const none = h("p", { class: "quiet" }, t("common.loading"));
  const more = button(t("common.more"), () => read(last), { hidden: true });
  const fresh = newBatch(() => read());
  place.append(
    h("div", { class: "head" }, h("h1", {}, t("batches.title"))),
    h("section", { class: "list" }, h("h2", {}, t("batches.dropTitle")), fresh.element),
    h("section", { class: "list", "aria-label": t("batches.title") }, none, list, more),
  );
  const soon = throttled(() => read(), SOON_MS);
  const endings = [onEvent((type) => type.startsWith("job.") && soon()), onGap(soon), polled(() => read(), EVERY_MS), fresh.close];

  async function read(after) {
    try {
      const page = await get(withQuery("v1/batches", { limit: 20, after }));
      if (after || last === null) [last, more.hidden] = [page.last_id, !page.has_more];
      page.data.forEach((batch, at) => put(batch, after ? null : at));
      none.textContent = t("batches.none");
      none.hidden = rows.size > 0;
    } catch (error) {
      none.hidden = false;
      none.replaceChildren(refusal(error));
    }
  }

  function put(batch, at) {
    const known = rows.get(batch.id);
    if (known) return known.update(batch);
    const row = batchRow(batch, read, () => {
      rows.delete(batch.id);
      none.hidden = rows.size > 0;
    });
    rows.set(batch.id, row);
    list.insertBefore(row.element, at === null ? null : (list.children[at] ?? null));
    return undefined;
  }

  return { close: () => endings.forEach((each) => each()) };
}

function batchRow(first, reread, onGone) {
  let batch = first;
  let shown = "";
  let offered = "";
  const top = h("div", { class: "line" });
  const bar = h("progress", { max: "1", "aria-label": first.id });
  const about = h("p", { class: "quiet small" });
  const folder = h("p", { class: "quiet small path", hidden: !first.output_folder }, t("batches.folder", { folder: first.output_folder }));
  const copied = h("p", { class: "quiet small path" });
  const faults = h("div", {});
  const strip = h("div", { class: "strip" });
  const actions = h("div", { class: "row" });
  const element = h("li", {}, top, bar, about, folder, copied, faults, strip, actions);
  update(first);

  function update(found) {
    batch = found;
    const { total, completed, failed } = batch.request_counts;
    const name = batch.metadata?.name ?? batch.id;
    top.replaceChildren(statusOf(batch.paused ? "paused" : batch.status), h("span", { class: "what" }, name), h("span", { class: "quiet small" }, timeOf(batch.created_at, h)));
    bar.value = total ? (completed + failed) / total : 0;
    bar.hidden = FINAL.has(batch.status);
    about.textContent = sentence(batch);
    copied.hidden = !batch.bucket_copy;
    copied.replaceChildren(...(batch.bucket_copy ? [t("large.bucketCopy"), ": ", copyOf(batch.bucket_copy)] : []));
    faults.replaceChildren(...(batch.errors?.data ?? []).slice(0, 5).map((fault) => h("p", { class: "small bad" }, fault.line ? `${t("batches.line")} ${fault.line}: ` : "", fault.message)));
    const state = JSON.stringify([batch.status, batch.paused, failed > 0, completed > 0]);
    if (state !== offered) actions.replaceChildren(...actionsOf(failed)); // else a button would lose the focus
    offered = state;
    if (completed && shown !== `${completed}`) {
      shown = `${completed}`;
      readPictures();
    }
  }

  async function readPictures() {
    const page = await get(withQuery("v1/jobs", { batch: batch.id, status: "succeeded", limit: SHOWN_PICTURES })).catch(() => ({ data: [] }));
    const made = page.data.flatMap((job) => job.images.filter((image) => image.url).map((image) => ({ job, image }))).slice(0, SHOWN_PICTURES);
    strip.replaceChildren(...made.map(({ job, image }) => h("a", { href: `#gallery/${job.id}/${image.index}` }, h("img", { src: thumbnail(job.id, image.index), alt: job.prompt, loading: "lazy" }))));
  }

  function actionsOf(failed) {
    const path = `v1/batches/${batch.id}`;
    const isRunning = batch.status === "in_progress";
    return [
      isRunning && !batch.paused && button(t("batches.pause"), () => act(post(`${path}/pause`))),
      batch.paused && !FINAL.has(batch.status) && button(t("batches.resume"), () => act(post(`${path}/resume`)), { class: "main" }),
      FINAL.has(batch.status) && failed > 0 && button(t("batches.retry"), () => act(post(`${path}/retry`))),
      batch.request_counts.completed > 0 && h("a", { class: "button", href: address(`${path}/archive?format=zip`), download: `${batch.id}.zip` }, t("batches.archive")),
      batch.request_counts.completed > 0 && h("a", { class: "button bare", href: `#gallery/${batch.id}` }, t("batches.open")),
      !FINAL.has(batch.status) && button(t("batches.cancel"), () => act(post(`${path}/cancel`)), { class: "bare" }),
      FINAL.has(batch.status) && button(t("batches.delete"), erase, { class: "bare danger" }),
    ].filter(Boolean);
  }

  async function act(call) {
    try {
      update(await call);
    } catch (error) {
      complain(error);
    }
    reread();
  }

  async function erase() {
    if (!(await confirmed(t("batches.deleteAsk"), t("common.delete")))) return;
    try {
      await remove(`v1/batches/${batch.id}`);
      element.remove();
      onGone();
    } catch (error) {
      complain(error);
    }
  }

  return { element, update };
}

function sentence(batch) {
  const { total, completed, failed } = batch.request_counts;
  return [
    total ? t("batches.progress", { done: completed + failed, total }) : null,
    failed ? t("batches.failedLines", { count: failed }) : null,
    batch.eta_s === null ? null : t("batches.ready", { time: duration(batch.eta_s) }),
    batch.waiting_for ? t("batches.waitingFor", { what: batch.waiting_for.replaceAll("_", " ") }) : null,
  ].filter(Boolean).join(" · ");
}
