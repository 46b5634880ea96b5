// Starts the studio: the session, the frame around all views, and the way between views.

import { forgetForms } from "../make/kept.js";
import { get, remove } from "./api.js";
import { h, icon, iconButton, messageParts } from "./dom.js";
import "./drops.js";
import * as events from "./events.js";
import { may } from "./rights.js";
import { signIn } from "./session.js";
import { themeButton } from "./theme_button.js";
import { t } from "./words.js";

const VIEWS = {
  make: () => import("../make/view.js"),
  gallery: () => import("../gallery/view.js"),
  queue: () => import("../lists/queue.js"),
  batches: () => import("../lists/batches.js"),
  webhooks: () => import("../lists/webhooks.js"),
  account: () => import("../account/view.js"),
  operate: () => import("../operate/view.js"),
};
const NEEDS = { operate: "operator" }; // the scope without which a view is not offered

const main = h("main", { id: "content", tabindex: "-1" });
const place = document.getElementById("studio");
let session = null;
let shown = { name: null, close: null };

/** Shows the view of the address after `#`: its name, then what belongs to it. */
async function route() {
  const { name, rest } = asked();
  const view = isOffered(name) ? name : "make";
  if (shown.name === view && shown.update) return shown.update(rest);
  shown.close?.();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  const mine = { name: view, close: null };
  shown = mine;
  markTab(view);
  const module = await VIEWS[view]();
  if (shown !== mine) return undefined; // the person has gone on
  main.replaceChildren();
  if (document.activeElement !== document.body) main.focus({ preventScroll: true }); // of a link to this view
  window.scrollTo(0, 0);
  const { close, update } = (await module.show(main, rest, session)) ?? {};
  if (shown !== mine) return close?.();
  Object.assign(mine, { close, update });
  document.title = `${t(`tabs.${view}`)} · ${t("title")}`;
  return undefined;
}

/** Returns the view that the address asks for, and the parts behind its name. */
function asked() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  return { name: name in VIEWS ? name : "make", rest };
}

function isOffered(name) {
  return !NEEDS[name] || may(session, NEEDS[name]);
}

function markTab(view) {
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash !== `#${view}`) {
      link.removeAttribute("aria-current");
      continue;
    }
    link.setAttribute("aria-current", "page");
    link.scrollIntoView({ block: "nearest", inline: "nearest" }); // narrow phones show only some of the tabs
  }
}

function frame() {
  const live = h("span", { class: "link-state", role: "img" });
  events.onState((state) => {
    live.dataset.state = state;
    live.title = t(`live.${state}`);
    live.setAttribute("aria-label", t(`live.${state}`));
  });
  const tabs = Object.keys(VIEWS).filter(isOffered).map((name) => h("a", { href: `#${name}` }, t(`tabs.${name}`)));
  const leave = session.access === "keys" && [
    h("span", { class: "quiet small" }, t("session.who", session)),
    iconButton(t("session.leave"), "leave", signOut),
  ];
  const brand = h("a", { class: "brand", href: "#make" }, h("img", { src: "studio/icon.svg", alt: "" }), t("title"));
  const nav = h("nav", { class: "tabs", "aria-label": t("tabs.label") }, tabs);
  const skip = h("a", { class: "button skip", href: "#content", onclick: skipTo }, t("skip"));
  return [skip, h("header", { class: "bar" }, brand, nav, live, themeButton(), leave), main, ...messageParts()];
}

function skipTo(event) {
  event.preventDefault();
  main.focus();
}

async function signOut() {
  await remove("v1/session").catch(() => null);
  await forgetForms();
  location.reload();
}

async function begin() {
  VIEWS[asked().name]().catch(() => null); // loads while the service tells the session; a fault is told later
  session = await get("v1/session");
  if (!session.is_signed_in) session = await signIn(place);
  place.replaceChildren(...frame());
  events.start();
  window.addEventListener("hashchange", route);
  window.addEventListener("signed-out", () => location.reload(), { once: true });
  await route();
}

begin().catch((error) => {
  place.replaceChildren(h("main", { class: "empty" }, icon("image"), h("h1", {}, t("title")), h("p", {}, error.message)));
});
