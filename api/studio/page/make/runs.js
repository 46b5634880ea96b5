// The jobs of this page, newest first. One stream of events keeps all of them current.

import { get, withQuery } from "../js/api.js";
import { h } from "../js/dom.js";
import { onEvent, onGap } from "../js/events.js";
import { t } from "../js/words.js";
import { runCard } from "./run.js";

const RECENT = 6;

/** Returns the part with the jobs: `element`, `add(job)` and `close`. It begins with the tenant's newest jobs. */
export function runs() {
  const cards = new Map();
  const list = h("div", { class: "made" });
  const empty = h("div", { class: "empty" }, h("h2", {}, t("make.firstTitle")), h("p", {}, t("make.firstText")));
  const element = h("section", { "aria-label": t("gallery.pictures") }, empty, list);
  const endings = [
    onEvent((type, data) => cards.get(data.job_id)?.event(type, data)),
    onGap(() => cards.forEach((card) => card.refresh())),
  ];
  recent();

  async function recent() {
    try {
      const { data } = await get(withQuery("v1/jobs", { limit: RECENT }));
      for (const job of data) {
        if (!cards.has(job.id)) put(job, (card) => list.append(card));
      }
    } catch {
      // The person may still send a job; its answer says what is wrong.
    }
  }

  function put(job, place) {
    const card = runCard(job, () => {
      cards.delete(job.id);
      empty.hidden = cards.size > 0;
    });
    cards.set(job.id, card);
    place(card.element);
    empty.hidden = true;
  }

  function close() {
    for (const end of endings) end();
    for (const card of cards.values()) card.close();
  }

  /** Adds a new job and shows it: on a phone it is below the form. */
  function add(job) {
    put(job, (card) => list.prepend(card));
    cards.get(job.id).refresh(); // events that came before the answer had no card yet
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    list.firstElementChild.scrollIntoView({ block: "nearest", behavior });
  }

  return { element, close, add };
}
