// A new batch: a dropped file is uploaded and checked, its lines are shown, and a button starts the batch.

import { call, post, remove } from "../js/api.js";
import { button, h, toast } from "../js/dom.js";
import { onDrops } from "../js/drops.js";
import { duration } from "../js/format.js";
import { t } from "../js/words.js";
import { linesOf } from "./batch_file.js";
import { batchOptions } from "./batch_options.js";

const MOST_SHOWN = 50;

/** Returns the part with the drop zone: `element` and `close`. `onStart()` is called after a batch has started. */
export function newBatch(onStart) {
  const report = h("div", { class: "field", role: "status" });
  const file = h("input", { type: "file", id: "batch-file", accept: ".jsonl,.json,.ndjson,.csv,.txt,text/plain", hidden: true, onchange: () => take(file.files[0]) });
  const choose = button(t("batches.choose"), () => file.click());
  const drop = h("div", { class: "drop", id: "batch-drop" }, h("p", { class: "grow quiet" }, t("batches.drop")), choose, file);
  const options = batchOptions(check, () => content && upload());
  const close = onDrops(drop, (files) => take(files[0]));
  let content = null; // the chosen file, in an object of its own for each upload
  let stored = null; // the request of the file that was uploaded last, without the options

  async function take(chosen) {
    if (!chosen) return;
    file.value = "";
    forget();
    content = { file: chosen };
    await upload();
  }

  /** Uploads the lines of the chosen file, in place of those that were uploaded before, and checks them. */
  async function upload() {
    const mine = { ...content };
    content = mine;
    dropStored();
    const { name } = mine.file;
    report.replaceChildren(h("p", {}, t("batches.checking", { name })));
    try {
      const text = await mine.file.text();
      const plain = linesOf(name, text);
      options.follow(plain.isQuoting);
      const lines = options.textCheck ? linesOf(name, text, options.textCheck) : plain;
      const form = new FormData();
      form.append("purpose", "batch");
      form.append("file", new File([lines.text], name.replace(/\.\w+$/, ".jsonl")));
      const { id } = await call("POST", "v1/files", form);
      if (mine !== content) return dropFile(id);
      stored = { input_file_id: id, endpoint: lines.endpoint, completion_window: "24h", metadata: { name: name.slice(0, 64) } };
      await check();
    } catch (error) {
      if (mine === content) report.replaceChildren(h("p", { class: "notice fault" }, error.message));
    }
    return undefined;
  }

  function request() {
    return { ...stored, ...options.request };
  }

  /** Checks the file with the options as they are now, and shows what is wrong or a button that starts the batch. */
  async function check() {
    if (!stored) return;
    const asked = request();
    const isCurrent = () => JSON.stringify(asked) === JSON.stringify(request());
    try {
      const checked = await post("v1/batches/validate", asked);
      const dry = checked.is_batch && checked.valid ? await post("v1/batches", { ...asked, dry_run: true }) : null;
      if (isCurrent()) report.replaceChildren(...reportParts(checked, dry));
    } catch (error) {
      if (isCurrent()) report.replaceChildren(h("p", { class: "notice fault" }, error.message));
    }
  }

  function reportParts(checked, dry) {
    const facts = [
      t("batches.valid", { valid: checked.valid, total: checked.total }),
      dry && t("batches.pictures", { count: dry.num_pictures }),
      dry?.eta_s && t("batches.ready", { time: duration(dry.eta_s) }),
    ];
    const start = button(t("batches.start"), begin, { class: "main", disabled: !dry });
    const cancel = button(t("common.cancel"), forget, { class: "bare" });
    return [h("p", {}, facts.filter(Boolean).join(" · ")), faultTable(checked.errors.data), h("div", { class: "row" }, start, cancel)].filter(Boolean);
  }

  async function begin() {
    try {
      await post("v1/batches", request());
      stored = null; // the batch needs its file
      forget();
      toast(t("batches.started"));
      onStart();
    } catch (error) {
      report.prepend(h("p", { class: "notice fault" }, error.message));
    }
  }

  function forget() {
    dropStored();
    content = null;
    options.follow(false);
    report.replaceChildren();
  }

  function dropStored() {
    if (stored) dropFile(stored.input_file_id);
    stored = null;
  }

  return { element: h("div", { class: "card new-batch" }, drop, options.element, report), close };
}

/** Deletes an uploaded file that no batch reads. Without success it stays, takes room, and does no other harm. */
function dropFile(id) {
  remove(`v1/files/${id}`).catch(() => null);
}

function faultTable(faults) {
  if (!faults.length) return null;
  const rows = faults.slice(0, MOST_SHOWN).map((fault) => h("tr", {}, h("td", { class: "num" }, fault.line ?? t("batches.wholeFile")), h("td", { class: "bad" }, fault.message)));
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("batches.line")), h("th", { scope: "col" }, t("batches.problem"))));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("batches.problem") }, h("table", {}, head, h("tbody", {}, rows)));
}
