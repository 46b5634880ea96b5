// The view Make: a form on the left, and what was made with it on the right.

import { call, get, thumbnail } from "../js/api.js";
import { complain, debounced, h, iconButton } from "../js/dom.js";
import { t } from "../js/words.js";
import { codePart } from "./code.js";
import { estimatePart } from "./estimate.js";
import { imagesField } from "./images.js";
import { keepFields, keepImages, keptFields, keptImages } from "./kept.js";
import { modelField } from "./model.js";
import { promptField } from "./prompt.js";
import { runs } from "./runs.js";
import { settingsFields } from "./settings.js";
import { sizeField } from "./size.js";

const DEMO_SIDE = 256; // the demonstration model was trained on small pictures

/** Another view leaves here what the form should start with. */
let wanted = null;

/** The pictures to edit, while a person looks at another view; null until they were read after a reload. */
let leftImages = null;

/**
 * Opens the form with these values: `prompt`, `size`, `settings`, `prior` ({ id, index }), `edit` ({ id, index }), and
 * `inputs` ({ id, count }), the job whose condition images are used again.
 */
export function makeWith(values) {
  wanted = values;
  if (location.hash === "#make") window.dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = "#make";
}

export async function show(place, _, session) {
  let prior = null;
  let isTouched = false;
  const tenant = session.tenant ?? null;
  const refresh = debounced(changed, 350);
  const touched = () => {
    isTouched = true;
    refresh();
  };
  const prompt = promptField(() => {
    settings.follow(prompt.value);
    touched();
  });
  const images = imagesField(() => {
    size.offerLike(images.value.length > 0);
    if (leftImages) keepImages(tenant, (leftImages = images.value));
    touched();
  });
  const size = sizeField(touched);
  const settings = settingsFields(touched);
  const model = modelField((defaults) => {
    useDefaults(defaults);
    touched();
  });
  const estimate = estimatePart(request);
  const code = codePart(request, session.access === "keys");
  const send = h("button", { class: "main" }, t("make.send"));
  const fault = h("p", { class: "fault bad", role: "alert", hidden: true });
  const priorPart = h("div", { class: "prior card", hidden: true });
  const fresh = h("div", { class: "parts" }, prompt.element, images.element, size.element, model.element);
  const ofNew = h("div", { class: "parts" }, settings.ofNew);
  const more = h("details", { open: matchMedia("(min-width: 901px)").matches }, h("summary", {}, t("make.more")), h("div", { class: "parts" }, settings.more, ofNew));
  const form = h(
    "form",
    { class: "card", novalidate: true, onsubmit: submit, onkeydown: sendByKey, "aria-label": t("make.title") },
    priorPart,
    fresh,
    h("div", { class: "parts" }, settings.front),
    more,
    code.element,
    h("div", { class: "send" }, fault, send, estimate.element),
  );
  const made = runs();
  place.append(h("h1", { class: "for-readers" }, t("make.title")), h("div", { class: "make" }, form, made.element));
  window.addEventListener("pagehide", keep);
  await fill();

  /** Returns the request that the form stands for. */
  function request() {
    const { n, seed, visible_mark: hasMark, text_check: check, reuse: isReused, ...rest } = settings.value;
    if (prior) return { prior: { job_id: prior.id, index: prior.index }, n, ...(seed === undefined ? {} : { seed }), ...rest, visible_mark: hasMark }; // else it has the mark of the earlier picture
    const { width, height } = size.value ?? {};
    return {
      prompt: prompt.value,
      ...(model.value ? { model: model.value } : {}),
      ...(width ? { size: `${width}x${height}` } : {}),
      ...(images.value.length ? { images: images.value } : {}),
      n,
      ...(seed === undefined ? {} : { seed }),
      ...rest,
      ...(hasMark ? { visible_mark: true } : {}),
      ...(check ? { text_check: check } : {}),
      ...(isReused ? { reuse: true } : {}),
    };
  }

  function changed() {
    say(null);
    keep();
    code.refresh();
    estimate.refresh();
  }

  async function submit(event) {
    event.preventDefault();
    send.disabled = true;
    try {
      made.add(await call("POST", "v1/jobs", request(), { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) }));
      say(null);
    } catch (error) {
      say(error);
    } finally {
      send.disabled = false;
    }
  }

  /** Shows what is wrong with the request, and leads to the field. */
  function say(error) {
    fault.hidden = !error;
    fault.textContent = error?.message ?? "";
    for (const each of form.querySelectorAll('[aria-invalid="true"]')) each.removeAttribute("aria-invalid");
    const names = { prompt: "prompt", seed: "seed", num_inference_steps: "steps", guidance_scale: "guidance", width: "width", height: "height", text_check: "text-check", reuse: "reuse" };
    const input = error && form.querySelector(`#${names[error.field?.split(".")[0]] ?? "none"}`);
    if (input) {
      input.setAttribute("aria-invalid", "true");
      input.focus();
    }
  }

  function sendByKey(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  }

  /** Fills the form: with what another view wants, else as the person left it, else with what suits the model. */
  async function fill() {
    const values = wanted ?? keptFields(tenant) ?? {};
    if (wanted) leftImages = [];
    model.set(values.model);
    images.set(leftImages ?? []);
    suit(!wanted && !keptFields(tenant));
    wanted = null;
    prompt.set(values.prompt ?? "");
    settings.set(values.settings ?? {});
    settings.follow(prompt.value);
    setPrior(values.prior ?? null);
    if (!leftImages) await restoreImages();
    if (values.edit) await images.fromJob(values.edit);
    if (values.inputs) await images.inputsOf(values.inputs);
    if (values.size) size.set({ ...values.size, isLike: false });
    if (values.edit) prompt.input.focus();
    changed();
  }

  /** Puts the pictures that a reload left before those that the person has added since. */
  async function restoreImages() {
    const all = [...(await keptImages(tenant)), ...images.value];
    leftImages = all;
    if (all.length) images.set(all);
  }

  /** Offers the models. In a new form, fills in what suits the model, unless the person was faster than the answer. */
  async function suit(isNew) {
    isTouched = false;
    const models = await allModels();
    const defaults = model.offer(models);
    if (!isNew || isTouched) return changed();
    const values = firstValues(models);
    if (values.size) size.set(values.size);
    settings.set(values.settings ?? {});
    useDefaults(defaults);
    changed();
  }

  /** Fills in the defaults of a model: those that an operator has set. */
  function useDefaults({ size: sides, ...rest }) {
    const [width, height] = (sides ?? "").split("x").map(Number);
    if (height) size.set({ width, height, isLike: false });
    settings.set({ ...settings.value, ...rest });
  }

  function setPrior(chosen) {
    prior = chosen;
    fresh.hidden = Boolean(prior);
    ofNew.hidden = Boolean(prior);
    priorPart.hidden = !prior;
    send.textContent = t(prior ? "make.sendAgain" : "make.send");
    if (!prior) return;
    const drop = iconButton(t("make.dropPrior"), "close", () => {
      setPrior(null);
      changed();
    });
    const about = h("div", { class: "grow" }, h("h2", {}, t("make.again")), h("p", { class: "quiet small" }, t("make.againHint")));
    priorPart.replaceChildren(h("img", { src: thumbnail(prior.id, prior.index, 128), alt: "" }), about, drop);
  }

  function keep() {
    keepFields(tenant, { prompt: prompt.value, model: model.value, size: size.value, settings: settings.value, prior });
  }

  function close() {
    keep();
    window.removeEventListener("pagehide", keep);
    images.close();
    made.close();
  }

  return { close, update: () => wanted && fill() };
}

async function allModels() {
  try {
    return (await get("v1/models")).data;
  } catch (error) {
    complain(error);
    return [];
  }
}

function firstValues(models) {
  const isDemo = models[0]?.revision?.startsWith("demo-");
  return isDemo ? { size: { width: DEMO_SIDE, height: DEMO_SIDE }, settings: { num_inference_steps: 20 } } : {};
}

