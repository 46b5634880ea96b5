// Parts that the lists share.

import { Fault } from "../js/api.js";
import { h } from "../js/dom.js";
import { statusWord, t } from "../js/words.js";

/** Returns an element with a status in words and colour. */
export function statusOf(status) {
  return h("span", { class: "status", "data-status": status }, statusWord(status));
}

/** Returns a part of a page with its headline. */
export function section(title, ...parts) {
  return h("section", { class: "list" }, h("h2", {}, t(title)), parts);
}

/** Returns an element that says why a list can't be shown. */
export function refusal(error) {
  const scope = error instanceof Fault && error.code === "missing_scope" && error.message.match(/scope (\w+)/)?.[1];
  return h("p", { class: "notice" }, scope ? t("common.notAllowed", { scope }) : error.message);
}

/** Replaces what a list shows, unless a person is at work in it: the focus would be lost. */
export function renewed(place, ...parts) {
  const at = document.activeElement;
  if (at === place || !place.contains(at)) place.replaceChildren(...parts);
}

/** Calls `read` now and every `every_ms` while the page is seen. Returns a function that ends it. */
export function polled(read, every_ms) {
  let timer = 0;
  let turns = 0;
  let isOver = false;

  async function turn() {
    const mine = ++turns;
    clearTimeout(timer);
    if (!document.hidden) await read();
    if (!isOver && mine === turns) timer = setTimeout(turn, every_ms);
  }

  document.addEventListener("visibilitychange", turn);
  turn();
  return () => {
    isOver = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", turn);
  };
}
