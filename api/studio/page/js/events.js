// One stream of the events of all jobs, however many views follow them.

import { address, get } from "./api.js";

const TYPES = [
  "job.queued", "job.running", "job.started", "job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.rejected", "job.retried",
  "job.requeued", "job.enhancing", "job.enhanced", "render.stage", "render.progress", "render.preview",
];
const RETRY_MS = 3000;

const listeners = new Set();
const reloaders = new Set();
const watchers = new Set();
let source = null;
let state = "lost";

/** Calls `listener(type, data)` for each event; `data.job_id` names the job. Returns a function that ends it. */
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls `reload()` when events may have been missed, so that a view reads its lists again. */
export function onGap(reload) {
  reloaders.add(reload);
  return () => reloaders.delete(reload);
}

/** Calls `watcher("open" | "lost")` now and whenever the stream begins or breaks. */
export function onState(watcher) {
  watchers.add(watcher);
  watcher(state);
}

/** Opens the stream. The browser resumes it after a break with the id of the last event. */
export function start() {
  stop();
  source = new EventSource(address("v1/events"));
  source.addEventListener("open", () => tell("open"));
  source.addEventListener("error", () => {
    tell("lost");
    if (source?.readyState === EventSource.CLOSED) setTimeout(again, RETRY_MS);
  });
  source.addEventListener("stream.gap", () => reloaders.forEach((reload) => reload()));
  for (const type of TYPES) {
    source.addEventListener(type, (event) => {
      const data = JSON.parse(event.data);
      listeners.forEach((listener) => listener(type, data));
    });
  }
}

export function stop() {
  source?.close();
  source = null;
}

// A browser keeps pages that were left, with their streams. Six streams are all connections that it opens to one server,
// so the next page would wait for a minute.
window.addEventListener("pagehide", () => source?.close());
window.addEventListener("pageshow", (event) => {
  if (!event.persisted || !source) return;
  start();
  reloaders.forEach((reload) => reload());
});

/** Opens the stream anew after a refusal, unless the session has ended. Events in between may be missing. */
async function again() {
  if (!source) return;
  try {
    if (!(await get("v1/session")).is_signed_in) return void window.dispatchEvent(new Event("signed-out"));
  } catch {
    return void setTimeout(again, RETRY_MS);
  }
  start();
  reloaders.forEach((reload) => reload());
}

function tell(now) {
  state = now;
  watchers.forEach((watcher) => watcher(now));
}
