// One job: its prompt, its place in the queue, its stages, and its pictures as they appear.

import { get, post } from "../js/api.js";
import { button, complain, h, say, throttled } from "../js/dom.js";
import { duration } from "../js/format.js";
import { statusWord, t } from "../js/words.js";
import { frame } from "./frame.js";

const REFRESH_MS = 700;
const QUEUE_MS = 4000; // how often a waiting job asks for its place, which other people's jobs change
const STARTS = new Set(["job.running", "job.started", "render.progress"]); // events that a waiting job does not have
const FINAL = new Set(["succeeded", "failed", "cancelled", "expired", "rejected"]);

/** Returns the card of a job: `element`, `event(type, data)`, `refresh` and `close`. */
export function runCard(first, onGone) {
  let job = first;
  let timer = 0;
  let offered = null;
  const frames = first.images.map((image) => frame(first, image.index));
  const status = h("span", { class: "status" });
  const about = h("span", { class: "quiet small" });
  const bar = h("progress", { max: "1", "aria-label": t("status.running") });
  const actions = h("span", { class: "row" });
  const line = h("div", { class: "row" }, status, about, h("span", { class: "grow" }), actions);
  const said = h("p", { class: "said" }, first.prompt);
  const pictures = h("div", { class: "pictures" }, frames.map((each) => each.element));
  const element = h("article", { class: `run${first.n === 1 ? " single" : ""}`, "aria-label": first.prompt }, said, line, bar, pictures);
  const soon = throttled(refresh, REFRESH_MS);
  paint();

  async function refresh() {
    try {
      const was = job.status;
      job = await get(`v1/jobs/${job.id}`);
      paint();
      if (!FINAL.has(was) && FINAL.has(job.status)) say(t(job.status === "succeeded" ? "make.announceDone" : "make.announceFailed", job));
    } catch (error) {
      if (error.status !== 404) return;
      close();
      element.remove();
      onGone();
    }
  }

  function event(type, data) {
    if (job.status === "queued" && STARTS.has(type)) {
      job = { ...job, status: "running", queue: null };
      paint();
    }
    if (type === "render.progress") {
      frames[data.index]?.progress(data);
      bar.value = Math.max(bar.value, overall(data));
    } else if (type === "render.preview") {
      frames[data.index]?.preview(data);
    } else {
      soon();
    }
  }

  /** Returns the progress of the whole job after one render's progress, as the API computes it. */
  function overall({ index, stage, done, total }) {
    const share = (stage === "dit" ? 0.5 : 0) + (total ? (0.5 * done) / total : 0);
    const others = job.images.filter((image) => image.index !== index && image.status === "succeeded").length;
    return (share + others) / job.n;
  }

  function paint() {
    status.dataset.status = job.status;
    status.textContent = statusWord(job.status);
    about.textContent = aboutOf(job);
    bar.hidden = job.status !== "running";
    bar.value = job.progress;
    for (const image of job.images) frames[image.index].paint(image, job);
    if (job.status !== offered) actions.replaceChildren(...actionsOf()); // else the button would lose the focus
    offered = job.status;
    clearTimeout(timer);
    if (job.status === "queued") timer = setTimeout(refresh, QUEUE_MS);
  }

  function actionsOf() {
    if (!FINAL.has(job.status)) return [button(t("make.cancel"), () => change("cancel"), { class: "bare" })];
    return job.status === "succeeded" || job.status === "rejected" ? [] : [button(t("make.retry"), () => change("retry"), { class: "bare" })];
  }

  async function change(action) {
    try {
      job = await post(`v1/jobs/${job.id}/${action}`);
      paint();
    } catch (error) {
      complain(error);
    }
  }

  function close() {
    clearTimeout(timer);
  }

  return { element, event, refresh, close };
}

function aboutOf(job) {
  if (job.status === "queued" && job.queue) {
    const parts = [t("make.place", { count: job.queue.position })];
    if (job.queue.unserved.length) return t("make.unserved");
    if (job.eta_s) parts.push(t("make.readyIn", { time: duration(job.eta_s) }));
    return parts.join(" · ");
  }
  if (job.status === "running" && job.eta_s) return t("make.readyIn", { time: duration(job.eta_s) });
  if (job.error) return job.error.message;
  return "";
}
