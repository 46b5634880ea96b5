// Makes elements. Text never becomes HTML, so nothing that a person typed can run.

import { t } from "./words.js";

/** Returns an element. `on…` are listeners, true and false set or leave out an attribute, children may be text. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name === "class" ? "class" : name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  dice: "M4 4h16v16H4z M8.5 8.5h.01 M15.5 8.5h.01 M12 12h.01 M8.5 15.5h.01 M15.5 15.5h.01",
  close: "M6 6l12 12 M18 6L6 18",
  copy: "M9 9h11v11H9z M5 15H4V4h11v1",
  download: "M12 4v11 M7 11l5 5 5-5 M5 20h14",
  before: "M15 5l-7 7 7 7",
  after: "M9 5l7 7-7 7",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8z M12 2v2 M12 20v2 M2 12h2 M20 12h2 M5 5l1.4 1.4 M17.6 17.6L19 19 M5 19l1.4-1.4 M17.6 6.4L19 5",
  image: "M4 5h16v14H4z M4 16l5-5 4 4 3-3 4 4 M15.5 9h.01",
  again: "M20 12a8 8 0 11-2.5-5.8 M20 4v5h-5",
  edit: "M4 20l1-4L16 5l3 3L8 19z",
  grid: "M4 4h7v7H4z M13 4h7v7h-7z M4 13h7v7H4z M13 13h7v7h-7z",
  compare: "M12 3v18 M4 6h5v12H4 M15 6h5v12h-5",
  trash: "M5 7h14 M9 7V4h6v3 M7 7l1 13h8l1-13",
  leave: "M10 4H5v16h5 M14 8l4 4-4 4 M9 12h9",
};

/** Returns a small picture for a button. Screen readers skip it, so the button needs text or a label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Returns a rectangle in the ratio of a picture, at most 26 units long. */
export function shapeIcon(width, height) {
  const scale = 24 / Math.max(width, height);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 26 26");
  svg.setAttribute("width", "26");
  svg.setAttribute("height", "26");
  svg.setAttribute("aria-hidden", "true");
  const box = document.createElementNS(SVG, "rect");
  const [w, x] = [width * scale, height * scale];
  for (const [name, value] of Object.entries({ x: 13 - w / 2, y: 13 - x / 2, width: w, height: x, rx: 2.5 })) {
    box.setAttribute(name, String(value));
  }
  svg.append(box);
  return svg;
}

export function button(label, onclick, { glyph, ...props } = {}) {
  return h("button", { type: "button", onclick, ...props }, glyph ? icon(glyph) : null, label);
}

/** Returns a button with a picture alone; `label` is for screen readers and as a hint. */
export function iconButton(label, glyph, onclick, props = {}) {
  return h("button", { type: "button", class: "bare", "aria-label": label, title: label, onclick, ...props }, icon(glyph));
}

let toasts = null;
let speaker = null;

/** Adds the parts of the page that short messages appear in. */
export function messageParts() {
  toasts = h("div", { class: "toasts", popover: "manual", role: "region", "aria-label": t("common.messages") });
  speaker = h("div", { class: "for-readers", role: "status", "aria-live": "polite" });
  return [toasts, speaker];
}

/** Shows a message for some seconds, above open dialogs too. Screen readers read it out. */
export function toast(text) {
  const shown = h("div", { class: "toast" }, text);
  toasts.append(shown);
  if (toasts.matches(":popover-open")) toasts.hidePopover();
  toasts.showPopover();
  say(text);
  setTimeout(() => {
    shown.remove();
    if (!toasts.childElementCount && toasts.matches(":popover-open")) toasts.hidePopover();
  }, 4500);
}

/** Lets screen readers read a text out. */
export function say(text) {
  speaker.textContent = text;
}

/** Shows why a call failed. */
export function complain(error) {
  toast(t("common.failed", { why: error.message }));
}

/** Opens a dialog with the given content. It closes by Escape and removes itself. Returns the dialog. */
export function openDialog(content, props = {}) {
  const dialog = h("dialog", props, content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks a question; resolves to true only if the person agrees. */
export function confirmed(question, yes) {
  return new Promise((resolve) => {
    const agree = button(yes, () => dialog.close("yes"), { class: "danger" });
    const disagree = button(t("common.cancel"), () => dialog.close(), { autofocus: true });
    const inside = h("div", { class: "inside" }, h("h2", { id: "question" }, question), h("div", { class: "row" }, agree, disagree));
    const dialog = openDialog(inside, { "aria-labelledby": "question" });
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
  });
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { class: "for-readers", value: text }); // without TLS browsers have no clipboard
    ([...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body).append(area); // all else is inert
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(t("common.copied"));
}

/** Returns a function that runs `work` once, `wait_ms` after its last call. */
export function debounced(work, wait_ms) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), wait_ms);
  };
}

/** Returns a function that runs `work` at most once in `every_ms`, and once more after the last call. */
export function throttled(work, every_ms) {
  let [last, timer] = [0, 0];
  return () => {
    if (timer) return;
    timer = setTimeout(
      () => {
        [last, timer] = [Date.now(), 0];
        work();
      },
      Math.max(0, last + every_ms - Date.now()),
    );
  };
}
