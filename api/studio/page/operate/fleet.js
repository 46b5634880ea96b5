// The part with all workers: what they do, and their drain.

import { get, post } from "../js/api.js";
import { asked, field } from "../js/ask.js";
import { button, complain, h, toast } from "../js/dom.js";
import { ago } from "../js/format.js";
import { may } from "../js/rights.js";
import { t } from "../js/words.js";
import { polled, refusal, renewed, section, statusOf } from "../lists/parts.js";

const EVERY_MS = 5000;

/** Returns the part and `close`. */
export function fleetPart(session) {
  const list = h("ul", { class: "rows" }, h("li", { class: "quiet" }, t("common.loading")));
  const total = h("p", { class: "quiet small" });
  const close = polled(read, EVERY_MS);

  async function read() {
    try {
      const found = await get("v1/workers");
      total.textContent = t("fleet.total", { count: found.total });
      renewed(list, ...(found.data.length ? found.data.map(row) : [h("li", { class: "quiet" }, t("fleet.none"))]));
    } catch (error) {
      list.replaceChildren(h("li", {}, refusal(error)));
    }
  }

  function row(worker) {
    const about = [t(`queue.stages.${worker.stage}`), worker.device, worker.revision, `${t("fleet.holds")} ${t("fleet.slots", { held: worker.num_held ?? 0, slots: worker.slots })}`];
    const isDrained = worker.drain !== null;
    const act = isDrained ? button(t("fleet.undrain"), () => resume(worker), { "aria-label": `${t("fleet.undrain")}: ${worker.id}` }) : button(t("fleet.drain"), () => drain(worker), { "aria-label": `${t("fleet.drain")}: ${worker.id}` });
    return h(
      "li",
      { "data-worker": worker.id },
      h("div", { class: "line" }, statusOf(worker.state), h("span", { class: "what mono" }, worker.id), h("span", { class: "quiet small" }, about.filter(Boolean).join(" · ")), may(session, "admin") && (isDrained || !worker.is_draining) && act),
      isDrained && h("p", { class: "quiet small" }, t("fleet.why", { reason: worker.drain.reason || t("common.none"), time: ago(worker.drain.since) })),
    );
  }

  async function drain({ id }) {
    const reason = h("input", { type: "text", id: "drain-reason", maxlength: "200", autocomplete: "off" });
    const fields = [h("p", {}, t("fleet.drainAbout")), field(t("common.reason"), reason)];
    if (!(await asked(t("fleet.drainAsk", { id }), fields, t("fleet.drain")))) return;
    await change(post(`v1/workers/${encodeURIComponent(id)}/drain`, { reason: reason.value.trim() }), t("fleet.drained"));
  }

  const resume = ({ id }) => change(post(`v1/workers/${encodeURIComponent(id)}/resume`), t("fleet.resumed"));

  async function change(sent, said) {
    try {
      await sent;
      toast(said);
    } catch (error) {
      complain(error);
    }
    document.activeElement?.blur(); // the row of the button is made anew
    await read();
  }

  return { element: section("fleet.title", total, list), close };
}
