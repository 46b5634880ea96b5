// One picture large, with everything that made it, and what a person can do with it.

import { get, input, original, remove, thumbnail } from "../js/api.js";
import { button, complain, confirmed, copy, h, icon, iconButton, openDialog, toast } from "../js/dom.js";
import { statusWord, t } from "../js/words.js";
import { makeWith } from "../make/view.js";
import { openCompare } from "./compare.js";
import { factsOf } from "./facts.js";
import { pickPicture } from "./pick.js";

/**
 * Opens a picture, { id, index }. Options: `neighbour(picture, step)` returns the one before or after; `onShow`,
 * `onDeleted(job id)` and `onClose`. Returns `show(picture)` and `close()`.
 */
export function openLarge(first, { neighbour, onShow, onDeleted, onClose } = {}) {
  let now = first;
  let job = null;
  const stage = h("div", { class: "stage" });
  const aside = h("aside", { "aria-label": t("large.facts") });
  const dialog = openDialog(h("div", { class: "layout" }, stage, aside), { class: "large", "aria-label": t("large.label"), onkeydown: byKey });
  dialog.addEventListener("close", () => onClose?.());
  show(first);

  async function show(picture) {
    now = picture;
    onShow?.(picture);
    try {
      if (job?.id !== picture.id) job = await get(`v1/jobs/${picture.id}`);
      if (now === picture) paint();
    } catch (error) {
      complain(error);
      dialog.close();
    }
  }

  function paint() {
    const image = job.images[now.index] ?? job.images[0];
    stage.replaceChildren(...stageParts(image));
    aside.replaceChildren(
      h("div", { class: "row" }, h("span", { class: "status grow", "data-status": image.status }, statusWord(image.status)), closeButton()),
      h("div", { class: "field" }, promptHead(), h("p", { class: "said" }, job.prompt)),
      ...(job.revised_prompt ? [h("div", { class: "field" }, h("h2", {}, t("large.revised")), h("p", { class: "said" }, job.revised_prompt))] : []),
      image.url ? actions(image) : h("p", { class: "notice" }, image.error?.message ?? t("large.noPicture", { status: statusWord(image.status) })),
      inputParts(image) ?? "",
      siblings() ?? "",
      h("section", { class: "field" }, h("h2", {}, t("large.facts")), factsOf(job, image)),
    );
  }

  function stageParts(image) {
    const before = around(-1);
    const after = around(1);
    const face = image.url
      ? h("img", { src: original(job.id, image.index), alt: t("make.pictureAlt", { prompt: job.prompt, number: image.index + 1 }), width: image.width, height: image.height })
      : h("p", { class: "quiet" }, statusWord(image.status));
    return [
      face,
      before && iconButton(t("large.before"), "before", () => show(before), { class: "step before" }),
      after && iconButton(t("large.after"), "after", () => show(after), { class: "step after" }),
    ].filter(Boolean);
  }

  function around(step) {
    if (neighbour) return neighbour(now, step);
    const other = now.index + step;
    return other >= 0 && other < job.images.length ? { id: job.id, index: other } : null;
  }

  function closeButton() {
    return iconButton(t("common.close"), "close", () => dialog.close());
  }

  function promptHead() {
    return h("div", { class: "row" }, h("h2", { class: "grow" }, t("large.prompt")), iconButton(t("common.copy"), "copy", () => copy(job.prompt)));
  }

  function actions(image) {
    const settings = { num_inference_steps: job.num_inference_steps, guidance_scale: job.guidance_scale, quality: job.quality, output_format: job.output_format, visible_mark: job.visible_mark };
    const size = { width: job.width, height: job.height };
    const leave = (values) => {
      dialog.close();
      makeWith(values);
    };
    const inputs = job.num_condition_images ? { id: job.id, count: job.num_condition_images } : null;
    const again = job.prior ? { prior: { id: job.prior.job_id, index: job.prior.index } } : { prompt: job.prompt, model: job.model, size, inputs };
    const checked = { ...settings, text_check: job.text_check };
    const file = `${job.id}-${image.index}.${job.output_format}`;
    return h(
      "div",
      { class: "actions" },
      button(t("large.anotherSeed"), () => leave({ ...again, settings: { ...checked, seed: Math.floor(Math.random() * 2 ** 31) } }), { glyph: "again" }),
      button(t("large.edit"), () => leave({ prompt: "", settings, size, edit: { id: job.id, index: image.index } }), { glyph: "edit" }),
      button(t("large.paintAgain"), () => leave({ prior: { id: job.id, index: image.index }, settings: { ...settings, seed: image.seed } }), { glyph: "grid" }),
      button(t("large.compare"), compare, { glyph: "compare" }),
      h("a", { class: "button", href: original(job.id, image.index), download: file }, icon("download"), t("common.download")),
      button(t("large.deleteJob"), erase, { class: "danger", glyph: "trash" }),
    );
  }

  async function compare() {
    const left = original(job.id, now.index);
    const right = await pickPicture(t("compare.pick"));
    if (right) openCompare(left, original(right.id, right.index));
  }

  async function erase() {
    if (!(await confirmed(t("large.deleteAsk", { count: job.n }), t("common.delete")))) return;
    try {
      await remove(`v1/jobs/${job.id}`);
    } catch (error) {
      complain(error);
      return;
    }
    toast(t("large.deleted"));
    onDeleted?.(job.id);
    dialog.close();
  }

  /** Returns the pictures that the job was made from. Each opens the comparison of before and after. */
  function inputParts(image) {
    if (!job.num_condition_images) return null;
    const faces = Array.from({ length: job.num_condition_images }, (_, index) => {
      const face = h("img", { src: input(job.id, index), alt: t("make.imageAlt", { number: index + 1 }) });
      if (!image.url) return h("li", {}, face);
      const label = t("large.compareInput", { number: index + 1 });
      return h("li", {}, h("button", { type: "button", class: "face", "aria-label": label, title: label, onclick: () => openCompare(input(job.id, index), original(job.id, image.index)) }, face));
    });
    return h("section", { class: "field" }, h("h2", {}, t("large.inputs")), h("ul", { class: "siblings" }, faces));
  }

  function siblings() {
    const made = job.images.filter((image) => image.url);
    if (made.length < 2) return null;
    const links = made.map((image) => {
      const link = h("a", { href: `#gallery/${job.id}/${image.index}`, "aria-current": image.index === now.index ? "true" : null }, h("img", { src: thumbnail(job.id, image.index, 128), alt: t("make.pictureAlt", { prompt: job.prompt, number: image.index + 1 }) }));
      link.addEventListener("click", (event) => {
        event.preventDefault();
        show({ id: job.id, index: image.index });
      });
      return h("li", {}, link);
    });
    return h("section", { class: "field" }, h("h2", {}, t("large.sameJob")), h("ul", { class: "siblings" }, links));
  }

  function byKey(event) {
    if (event.target.matches("input, textarea")) return;
    const other = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = other && job && around(other);
    if (next) show(next);
  }

  return { show, close: () => dialog.close() };
}
