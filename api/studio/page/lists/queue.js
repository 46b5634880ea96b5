// The view Queue: what waits and renders in each stage, the workers, the tenant's jobs, and dead letters.

import { get, post, withQuery } from "../js/api.js";
import { button, complain, h, throttled, toast } from "../js/dom.js";
import { onEvent, onGap } from "../js/events.js";
import { ago, duration, stepTime, timeOf } from "../js/format.js";
import { t } from "../js/words.js";
import { polled, refusal, renewed, section, statusOf } from "./parts.js";

const EVERY_MS = 5000;
const SOON_MS = 1500;

export async function show(place) {
  const stages = h("div", { class: "stages" });
  const workers = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("queue.workersTitle") });
  const jobs = h("ul", { class: "rows" });
  const letters = h("ul", { class: "rows" });
  place.append(
    h("div", { class: "head" }, h("h1", {}, t("queue.title"))),
    stages,
    section("queue.jobs", jobs),
    section("queue.workersTitle", workers),
    section("queue.lettersTitle", h("p", { class: "quiet small" }, t("queue.lettersText")), letters),
  );
  for (const each of [stages, workers]) each.append(h("p", { class: "quiet" }, t("common.loading")));
  for (const each of [jobs, letters]) each.append(h("li", { class: "quiet" }, t("common.loading")));
  readLetters();
  const end = polled(read, EVERY_MS);
  const soon = throttled(read, SOON_MS);
  const lettersSoon = throttled(readLetters, SOON_MS);
  const endings = [onEvent(soon), onGap(soon), end, onEvent((type) => type === "job.failed" && lettersSoon()), onGap(lettersSoon)];

  async function read() {
    await Promise.all([
      get("v1/stats").then(({ stages: found }) => stages.replaceChildren(...["ar", "dit"].map((name) => stageCard(name, found[name]))), fail(stages)),
      get("v1/workers").then(({ data }) => renewed(workers, workerTable(data)), fail(workers)),
      get(withQuery("v1/jobs", { status: ["queued", "running"], limit: 50, order: "asc" })).then(({ data }) => renewed(jobs, ...jobRows(data, read)), fail(jobs)),
    ]);
  }

  async function readLetters() {
    await get("v1/dead_letters?limit=50").then(({ data }) => renewed(letters, ...letterRows(data, readLetters)), fail(letters));
  }

  return { close: () => endings.forEach((each) => each()) };
}

function fail(place) {
  return (error) => place.replaceChildren(place.tagName === "UL" ? h("li", {}, refusal(error)) : refusal(error));
}

function stageCard(name, stage) {
  const numbers = [
    ["waiting", stage.waiting],
    ["running", stage.running],
    ["backlog", stage.backlog_s === null ? t("common.none") : duration(stage.backlog_s)],
    ["workers", stage.workers],
    ["slots", stage.slots],
  ].filter(([, value]) => value !== null); // counts of all tenants' pictures are for operators
  const trouble = stage.is_stalled ? t("queue.stalled") : stage.workers ? null : t("queue.noWorkers");
  return h(
    "section",
    { class: "card" },
    h("h2", {}, t(`queue.stages.${name}`)),
    h("dl", { class: "numbers" }, numbers.map(([label, value]) => h("div", {}, h("dt", {}, t(`queue.${label}`)), h("dd", {}, String(value))))),
    trouble && h("p", { class: "notice small" }, trouble),
  );
}

function workerTable(workers) {
  if (!workers.length) return h("p", { class: "quiet" }, t("queue.noWorkers"));
  const heads = ["stage", "device", "step", "holds", "weights", "worker"];
  const rows = workers.map((worker) =>
    h(
      "tr",
      {},
      h("td", {}, t(`queue.stages.${worker.stage}`), worker.is_draining && h("span", { class: "quiet" }, ` · ${t("queue.draining")}`)),
      h("td", {}, worker.device ?? t("common.unknown")),
      h("td", { class: "num" }, stepTime(worker.step_s)),
      h("td", { class: "num" }, `${worker.num_held ?? worker.held.length} / ${worker.slots}`, worker.held.map(heldLine)),
      h("td", {}, worker.revision ?? t("common.unknown")),
      h("td", { class: "mono" }, worker.id ?? t("common.none")),
    ),
  );
  return h("table", {}, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, t(`queue.${name}`))))), h("tbody", {}, rows));
}

function heldLine({ job_id: job, index, progress }) {
  const steps = progress ? ` ${progress.done}/${progress.total}` : "";
  return h("div", { class: "small" }, h("a", { class: "mono", href: `#gallery/${job}/${index}` }, `${job} / ${index}`), steps);
}

function jobRows(jobs, reread) {
  if (!jobs.length) return [h("li", { class: "quiet" }, t("queue.noJobs"))];
  return jobs.map((job) =>
    h(
      "li",
      {},
      h(
        "div",
        { class: "line" },
        statusOf(job.status),
        h("a", { class: "what", href: `#gallery/${job.id}/0` }, job.prompt),
        h("span", { class: "quiet small" }, t("batches.pictures", { count: job.n }), " · ", timeOf(job.created_at, h)),
        button(t("make.cancel"), () => act(post(`v1/jobs/${job.id}/cancel`), reread), { class: "bare", "aria-label": `${t("make.cancel")}: ${job.prompt}` }),
      ),
      job.status === "running" && h("progress", { max: "1", value: String(job.progress), "aria-label": job.prompt }),
    ),
  );
}

function letterRows(letters, reread) {
  if (!letters.length) return [h("li", { class: "quiet" }, t("queue.noLetters"))];
  return letters.map((letter) =>
    h(
      "li",
      {},
      h(
        "div",
        { class: "line" },
        h("a", { class: "what mono", href: `#gallery/${letter.job_id}/${letter.index}` }, letter.id),
        h("span", { class: "quiet small" }, t(`queue.stages.${letter.stage}`), " · ", timeOf(letter.died_at, h)),
        button(t("queue.requeue"), () => act(post(`v1/dead_letters/${letter.id}/requeue`), reread, t("queue.requeued"))),
        button(t("queue.purge"), () => act(post(`v1/dead_letters/${letter.id}/purge`), reread), { class: "bare danger" }),
      ),
      h("details", {}, h("summary", { class: "small" }, t("queue.evidence", { count: letter.crashes.length })), letter.crashes.map(crashPart)),
    ),
  );
}

function crashPart(crash) {
  const steps = `${crash.steps.done}/${crash.steps.total}`;
  const about = [...(crash.worker ? [crash.worker] : []), ago(crash.at), steps, ...(crash.was_alone ? [t("queue.alone")] : [])].join(" · ");
  return h("div", { class: "field" }, h("p", { class: "small quiet" }, about), h("pre", { class: "log", tabindex: "0" }, crash.log_lines?.join("\n") || t("queue.noLog")));
}

async function act(call, reread, said) {
  document.activeElement?.blur(); // the row of the button goes away
  try {
    await call;
    if (said) toast(said);
  } catch (error) {
    complain(error);
  }
  await reread();
}
