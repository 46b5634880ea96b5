// The part with API keys: a list, and how keys are rotated and revoked. A new key's text is shown once.

import { call, get, post, withQuery } from "../js/api.js";
import { asked, field, menu } from "../js/ask.js";
import { button, complain, copy, h, toast } from "../js/dom.js";
import { ago, dayName } from "../js/format.js";
import { t } from "../js/words.js";
import { refusal, section, statusOf } from "../lists/parts.js";
import { newKeyForm } from "./new_key.js";

const PAGE = 100;
const HOUR_S = 3600;
const OVERLAPS = { day: 24 * HOUR_S, hour: HOUR_S, week: 7 * 24 * HOUR_S, now: 0 };

/** Returns the part for the keys of a tenant; without `tenant`, for those of the session's own. */
export function keysPart(session, tenant = undefined) {
  let after = null;
  const told = h("div", { role: "status" });
  const active = h("ul", { class: "rows" }, h("li", { class: "quiet" }, t("common.loading")));
  const ended = h("ul", { class: "rows" });
  const summary = h("summary", { class: "small" });
  const past = h("details", { hidden: true }, summary, ended);
  const more = button(t("common.more"), () => read(after), { hidden: true });
  const form = session.access === "open" ? h("p", { class: "notice" }, t("keys.firstKey")) : newKeyForm(session, tenant, shown);
  read();

  async function read(from = null) {
    try {
      const page = await get(withQuery("v1/keys", { limit: PAGE, tenant, after: from }));
      if (!from) for (const list of [active, ended]) list.replaceChildren();
      for (const key of page.data) (key.status === "active" ? active : ended).append(row(key));
      if (!active.childElementCount) active.append(h("li", { class: "quiet" }, t("keys.none")));
      past.hidden = !ended.childElementCount;
      summary.textContent = t("keys.ended", { count: ended.childElementCount });
      [after, more.hidden] = [page.next, !page.has_more];
    } catch (error) {
      active.replaceChildren(h("li", {}, refusal(error)));
    }
  }

  /** Shows the text of a new key until the person has it. */
  function shown(key) {
    const text = h("code", { class: "grow secret" }, key);
    const done = button(t("keys.done"), () => told.replaceChildren(), { class: "bare" });
    told.replaceChildren(h("div", { class: "notice field" }, h("p", {}, t("keys.secret")), h("div", { class: "row" }, text, button(t("keys.copyKey"), () => copy(key), { glyph: "copy" }), done)));
    told.scrollIntoView({ block: "nearest" });
    return read();
  }

  function row(key) {
    const isOwn = key.id === session.key_id;
    const facts = [
      key.last_used_at ? t("keys.used", { time: ago(key.last_used_at) }) : t("keys.unused"),
      key.expires_at && key.status === "active" && t("keys.expiresOn", { day: dayName(key.expires_at.slice(0, 10)) }),
      key.networks && t("keys.from", { networks: key.networks.join(", ") }),
      key.models && t("keys.forModels", { models: key.models.join(", ") }),
      key.replaced_by && t("keys.replaced", { id: key.replaced_by }),
    ];
    const name = key.name || key.id;
    const line = h(
      "div",
      { class: "line" },
      statusOf(key.status),
      h("span", { class: "what" }, h("strong", {}, name), " ", h("span", { class: "mono quiet" }, `${key.prefix}…`), isOwn && h("span", { class: "tag" }, t("keys.own"))),
      h("span", { class: "row" }, key.scopes.map((scope) => h("span", { class: "tag" }, scope))),
      key.status === "active" && h("span", { class: "row" }, button(t("keys.rotate"), () => rotate(key, name), { "aria-label": `${t("keys.rotate")}: ${name}` }), button(t("keys.revoke"), () => revoke(key, name, isOwn), { class: "bare danger", "aria-label": `${t("keys.revoke")}: ${name}` })),
    );
    return h("li", { "data-key": key.id }, line, h("p", { class: "quiet small" }, facts.filter(Boolean).join(" · ")));
  }

  async function rotate(key, name) {
    const overlap = menu("overlap", Object.keys(OVERLAPS).map((each) => [each, t(`keys.overlaps.${each}`)]));
    const fields = [h("p", {}, t("keys.rotateAbout")), field(t("keys.overlap"), overlap)];
    if (!(await asked(t("keys.rotateAsk", { name }), fields, t("keys.rotate")))) return;
    try {
      const made = await call("POST", `v1/keys/${key.id}/rotate`, { overlap_s: OVERLAPS[overlap.value] });
      await shown(made.key);
    } catch (error) {
      complain(error);
    }
  }

  async function revoke(key, name, isOwn) {
    const fields = [h("p", {}, t("keys.revokeAbout")), isOwn && h("p", { class: "notice" }, t("keys.revokeOwn"))];
    if (!(await asked(t("keys.revokeAsk", { name }), fields, t("keys.revoke"), { isDanger: true }))) return;
    try {
      await post(`v1/keys/${key.id}/revoke`);
      toast(t("keys.revoked"));
      await read();
    } catch (error) {
      complain(error);
    }
  }

  return section("keys.title", h("p", { class: "quiet small" }, t("keys.about")), told, active, past, more, form);
}
