// A new batch: a dropped file is uploaded and checked, its lines are shown, and a button starts the batch.

import { call, post } from "../js/api.js";
import { field } from "../js/ask.js";
import { button, debounced, h, toast } from "../js/dom.js";
import { onDrops } from "../js/drops.js";
import { duration } from "../js/format.js";
import { t } from "../js/words.js";
import { linesOf } from "./batch_file.js";

const MOST_SHOWN = 50;
const REST_MS = 500; // after the last key in the field of the prefix, the file is checked again

/** Returns the part with the drop zone: `element` and `close`. `onStart()` is called after a batch has started. */
export function newBatch(onStart) {
  const report = h("div", { class: "field", role: "status" });
  const file = h("input", { type: "file", id: "batch-file", accept: ".jsonl,.json,.ndjson,.csv,.txt,text/plain", hidden: true, onchange: () => take(file.files[0]) });
  const choose = button(t("batches.choose"), () => file.click());
  const drop = h("div", { class: "drop", id: "batch-drop" }, h("p", { class: "grow quiet" }, t("batches.drop")), choose, file);
  const prefix = h("input", { type: "text", id: "output-prefix", maxlength: "200", spellcheck: "false", autocomplete: "off", placeholder: t("batches.prefixExample"), oninput: debounced(check, REST_MS) });
  const close = onDrops(drop, (files) => take(files[0]));
  let stored = null; // the request of the file that was uploaded last, without the prefix

  async function take(chosen) {
    if (!chosen) return;
    file.value = "";
    stored = null;
    report.replaceChildren(h("p", {}, t("batches.checking", { name: chosen.name })));
    try {
      const lines = linesOf(chosen.name, await chosen.text());
      const form = new FormData();
      form.append("purpose", "batch");
      form.append("file", new File([lines.text], chosen.name.replace(/\.\w+$/, ".jsonl")));
      const { id } = await call("POST", "v1/files", form);
      stored = { input_file_id: id, endpoint: lines.endpoint, completion_window: "24h", metadata: { name: chosen.name.slice(0, 64) } };
      await check();
    } catch (error) {
      report.replaceChildren(h("p", { class: "notice fault" }, error.message));
    }
  }

  /** Checks the file with the prefix as it is now, and shows what is wrong or a button that starts the batch. */
  async function check() {
    if (!stored) return;
    const folder = prefix.value.trim();
    const asked = folder ? { ...stored, output_prefix: folder } : stored;
    try {
      const checked = await post("v1/batches/validate", asked);
      const dry = checked.is_batch && checked.valid ? await post("v1/batches", { ...asked, dry_run: true }) : null;
      const isCurrent = asked.input_file_id === stored?.input_file_id && folder === prefix.value.trim();
      if (isCurrent) report.replaceChildren(...reportParts(checked, dry, asked));
    } catch (error) {
      report.replaceChildren(h("p", { class: "notice fault" }, error.message));
    }
  }

  function reportParts(checked, dry, asked) {
    const facts = [
      t("batches.valid", { valid: checked.valid, total: checked.total }),
      dry && t("batches.pictures", { count: dry.num_pictures }),
      dry?.eta_s && t("batches.ready", { time: duration(dry.eta_s) }),
    ];
    const start = button(t("batches.start"), () => begin(asked), { class: "main", disabled: !dry });
    const cancel = button(t("common.cancel"), forget, { class: "bare" });
    return [h("p", {}, facts.filter(Boolean).join(" · ")), faultTable(checked.errors.data), h("div", { class: "row" }, start, cancel)].filter(Boolean);
  }

  async function begin(asked) {
    try {
      await post("v1/batches", asked);
      forget();
      toast(t("batches.started"));
      onStart();
    } catch (error) {
      report.prepend(h("p", { class: "notice fault" }, error.message));
    }
  }

  function forget() {
    stored = null;
    report.replaceChildren();
  }

  const options = field(t("batches.prefix"), prefix, t("batches.prefixHint"));
  return { element: h("div", { class: "card new-batch" }, drop, options, report), close };
}

function faultTable(faults) {
  if (!faults.length) return null;
  const rows = faults.slice(0, MOST_SHOWN).map((fault) => h("tr", {}, h("td", { class: "num" }, fault.line ?? t("batches.wholeFile")), h("td", { class: "bad" }, fault.message)));
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("batches.line")), h("th", { scope: "col" }, t("batches.problem"))));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("batches.problem") }, h("table", {}, head, h("tbody", {}, rows)));
}
