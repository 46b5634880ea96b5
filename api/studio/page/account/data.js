// The part with a tenant's data: how long it is kept, and its erasure, which a person confirms by typing a name.

import { call, get } from "../js/api.js";
import { asked, field, menu } from "../js/ask.js";
import { button, complain, h, toast } from "../js/dom.js";
import { ago, duration } from "../js/format.js";
import { may } from "../js/rights.js";
import { t } from "../js/words.js";
import { polled, refusal, section } from "../lists/parts.js";

const EVERY_MS = 15000;
const DAY_S = 24 * 3600;
const TIMES = { day: DAY_S, week: 7 * DAY_S, month: 30 * DAY_S, quarter: 90 * DAY_S, year: 365 * DAY_S };

/** Returns the part for a tenant, and `close`. `canEraseSettings`: the person may erase keys and limits too. */
export function dataPart(session, tenant, { canEraseSettings = false } = {}) {
  const path = `v1/tenants/${encodeURIComponent(tenant)}`;
  const mayChange = may(session, "admin");
  const state = h("div", { class: "field" });
  const start = mayChange && button(t("data.erase"), erase, { class: "danger" });
  const close = polled(read, EVERY_MS);

  async function read() {
    try {
      shown(await get(`${path}/data`));
    } catch (error) {
      state.replaceChildren(refusal(error));
    }
  }

  function shown(found) {
    const isErasing = found.status === "erasing";
    if (start) start.hidden = isErasing;
    if (!isErasing) return state.replaceChildren();
    return state.replaceChildren(
      h("div", { class: "notice", role: "status" }, h("p", {}, t("data.erasing", { tenant, time: ago(found.started_at) }), " ", t(`data.phases.${found.phase}`)), h("p", { class: "small" }, t("data.refusing"))),
    );
  }

  async function erase() {
    const typed = h("input", { type: "text", id: "erase-name", autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
    const settings = h("input", { type: "checkbox", id: "erase-settings" });
    const fields = [
      h("p", {}, t("data.eraseAbout")),
      h("p", { class: "notice fault" }, t("data.eraseWarn")),
      canEraseSettings && h("label", { class: "check" }, settings, t("data.withSettings")),
      field(t("data.typeName", { tenant }), typed),
    ];
    const isSure = await asked(t("data.eraseAsk", { tenant }), fields, t("data.eraseYes"), { isReady: () => typed.value.trim() === tenant, isDanger: true });
    if (!isSure) return;
    try {
      shown(await call("DELETE", `${path}/data${settings.checked ? "?settings=true" : ""}`));
      toast(t("data.begun"));
    } catch (error) {
      complain(error);
    }
  }

  const erasure = h("div", { class: "card field" }, h("h3", {}, t("data.eraseTitle")), h("p", { class: "quiet" }, t("data.eraseAbout")), state, start && h("div", { class: "row" }, start));
  return { element: section("data.title", retentionCard(path, mayChange), erasure), close };
}

/** Returns the card with the time after which finished jobs are deleted. */
function retentionCard(path, mayChange) {
  const choice = menu("kept", [["", t("common.never")], ...Object.entries(TIMES).map(([name, seconds]) => [String(seconds), t(`data.after.${name}`)])], { disabled: true, onchange: change });
  const card = h("div", { class: "card field" }, field(t("data.retention"), choice, t("data.retentionHint")));
  let kept = "";
  get(`${path}/retention`).then(({ delete_after_s: seconds }) => {
    kept = seconds === null ? "" : String(seconds);
    if (![...choice.options].some((option) => option.value === kept)) choice.append(h("option", { value: kept }, t("data.after.own", { time: duration(seconds) })));
    [choice.value, choice.disabled] = [kept, !mayChange];
  }, (error) => card.append(refusal(error)));

  async function change() {
    try {
      await call("PUT", `${path}/retention`, { delete_after_s: choice.value ? Number(choice.value) : null });
      kept = choice.value;
      toast(t("common.saved"));
    } catch (error) {
      choice.value = kept;
      complain(error);
    }
  }

  return card;
}
