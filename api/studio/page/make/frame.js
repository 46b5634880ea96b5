// One picture of a job: a preview, its progress, or the picture with what its text check says.

import { address, thumbnail } from "../js/api.js";
import { h } from "../js/dom.js";
import { statusWord, t } from "../js/words.js";
import { openLarge } from "../gallery/large.js";

const WIDEST = 560;
const LEAST_WIDE = 120;
const FINAL = new Set(["succeeded", "failed", "cancelled", "expired", "rejected"]);

/** Returns the place of a picture: `element`, `preview(data)`, `progress(data)` and `paint(image, job)`. The picture leads to the large view. */
export function frame(job, index) {
  const number = index + 1;
  const link = h("a", { class: "frame", onclick: open });
  link.style.aspectRatio = `${job.width} / ${job.height}`;
  const middle = h("span", { class: "middle" });
  const bar = h("progress", { max: "1", "aria-label": t("make.pictureAlt", { prompt: job.prompt, number }) });
  const told = h("span", {});
  const over = h("span", { class: "over", hidden: true }, told, bar);
  const notes = h("figcaption", { class: "small", hidden: true });
  const element = h("figure", { class: "picture" }, link, notes);
  element.style.maxWidth = `${Math.max(LEAST_WIDE, Math.min(job.width, WIDEST))}px`;
  let image = null;
  link.append(middle, over);

  const isDone = () => link.hasAttribute("href");

  function open(event) {
    if (!isDone() || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openLarge({ id: job.id, index });
  }

  function show(src, alt, isPreview) {
    if (image?.src === src) return;
    const fresh = h("img", { src, alt, class: isPreview ? "preview" : "", decoding: "async" });
    if (image) image.replaceWith(fresh);
    else link.prepend(fresh);
    image = fresh;
  }

  return {
    element,
    preview(data) {
      if (!isDone()) show(address(`v1/jobs/${job.id}/images/${data.index}/previews/${data.number}?size=original`), t("make.previewAlt", { number }), true);
      middle.textContent = "";
    },
    progress({ stage, done, total }) {
      if (isDone()) return;
      over.hidden = false;
      bar.value = total ? done / total : 0;
      told.textContent = t("make.steps_done", { stage: t(`make.stage.${stage}`), done, total });
      middle.textContent = "";
    },
    paint(found, now) {
      if (found.url) {
        link.setAttribute("href", `#gallery/${now.id}/${index}`);
        over.hidden = true;
        middle.textContent = "";
        show(thumbnail(now.id, index, 512), t("make.pictureAlt", { prompt: now.prompt, number }), false);
        notes.replaceChildren(...notesOf(found));
        notes.hidden = !notes.childElementCount;
        return;
      }
      over.hidden = over.hidden || FINAL.has(found.status);
      if (!image && over.hidden) middle.textContent = statusWord(found.status);
    },
  };
}

/** Returns what a person should know about a finished picture: whether its text is right, and whether it is a copy. */
function notesOf({ text_check: check, reused_from: from }) {
  return [
    from && h("p", { class: "quiet" }, h("a", { href: `#gallery/${from.job_id}/${from.index}` }, t("make.reused"))),
    check && h("p", { class: check.matches ? "good" : "bad" }, textNote(check)),
  ].filter(Boolean);
}

function textNote({ matches, read }) {
  if (matches === null) return t("make.textUnread");
  if (matches) return t("make.textRight");
  return read ? t("make.textWrong", { read }) : t("make.textNothing");
}
