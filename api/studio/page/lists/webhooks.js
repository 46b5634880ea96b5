// The view Webhooks: addresses, and the attempts at each with message and answer.

import { get, post, remove } from "../js/api.js";
import { button, complain, confirmed, copy, h, toast } from "../js/dom.js";
import { ago, timeOf } from "../js/format.js";
import { t } from "../js/words.js";
import { refusal, statusOf } from "./parts.js";

const DAY_MS = 24 * 3600 * 1000;
const ATTEMPTS = 20;
const [TRIES, TRY_MS] = [5, 1500]; // how often and when a list is read again after a message was sent

export async function show(place) {
  const list = h("ul", { class: "rows" });
  const told = h("div", { role: "status" });
  place.append(
    h("div", { class: "head" }, h("h1", {}, t("webhooks.title"))),
    h("p", { class: "quiet" }, t("webhooks.about")),
    h("section", { class: "list" }, addForm(told, read), told),
    h("section", { class: "list", "aria-label": t("webhooks.title") }, list),
  );
  await read();

  async function read() {
    try {
      const { data } = await get("v1/webhook_endpoints?limit=100");
      list.replaceChildren(...(data.length ? data.map((endpoint) => endpointRow(endpoint, read)) : [h("li", { class: "quiet" }, t("webhooks.none"))]));
    } catch (error) {
      list.replaceChildren(h("li", {}, refusal(error)));
    }
  }
}

function addForm(told, onAdded) {
  const url = h("input", { type: "url", id: "hook-url", required: true, placeholder: "https://" });
  const description = h("input", { type: "text", id: "hook-about", maxlength: "500" });
  const fields = h("div", { class: "split" }, h("div", { class: "field" }, h("label", { for: "hook-url" }, t("webhooks.url")), url), h("div", { class: "field" }, h("label", { for: "hook-about" }, t("webhooks.description")), description));

  async function add(event) {
    event.preventDefault();
    try {
      const made = await post("v1/webhook_endpoints", { url: url.value, description: description.value });
      const secret = h("code", { class: "grow" }, made.secret);
      told.replaceChildren(h("div", { class: "notice field" }, h("p", {}, t("webhooks.secret")), h("div", { class: "row" }, secret, button(t("common.copy"), () => copy(made.secret), { glyph: "copy" }))));
      event.target.reset();
      await onAdded();
    } catch (error) {
      told.replaceChildren(h("p", { class: "notice fault" }, error.message));
    }
  }

  return h("form", { class: "card field", onsubmit: add }, h("h2", {}, t("webhooks.add")), fields, h("div", { class: "row" }, h("button", { class: "main" }, t("webhooks.create"))));
}

function endpointRow(endpoint, reread) {
  const path = `v1/webhook_endpoints/${endpoint.id}`;
  const attempts = h("div", { class: "field" });
  let newest = "";
  const isEnabled = endpoint.status === "enabled";
  const details = h("details", { ontoggle: () => details.open && readAttempts() }, h("summary", {}, t("webhooks.attempts")), attempts);

  async function readAttempts() {
    try {
      const { data } = await get(`${path}/attempts?limit=${ATTEMPTS}`);
      newest = data[0] ? `${data[0].message_id} ${data[0].at}` : "";
      attempts.replaceChildren(...(data.length ? data.map((attempt) => attemptPart(attempt, follow)) : [h("p", { class: "quiet" }, t("webhooks.noAttempts"))]));
    } catch (error) {
      attempts.replaceChildren(refusal(error));
    }
  }

  /** Opens the attempts and reads them until there is a new one. */
  async function follow() {
    const before = newest;
    details.open = true;
    for (let turn = 0; turn < TRIES && newest === before; turn++) {
      await new Promise((done) => setTimeout(done, TRY_MS));
      if (!details.isConnected) return;
      await readAttempts();
    }
  }

  async function act(call, said, isListChanged = true) {
    try {
      const answer = await call;
      if (said) toast(typeof said === "function" ? said(answer) : said);
      if (isListChanged) await reread();
      else await follow();
    } catch (error) {
      complain(error);
    }
  }

  async function erase() {
    if (await confirmed(t("webhooks.deleteAsk"), t("common.delete"))) await act(remove(path));
  }

  const replay = () => post(`${path}/replay`, { since: new Date(Date.now() - DAY_MS).toISOString() });
  const replayed = (answer) => t("webhooks.replayed", { count: answer.num_messages });
  const line = h("div", { class: "line" }, statusOf(endpoint.status), h("span", { class: "what mono" }, endpoint.url), h("span", { class: "quiet small" }, endpoint.description || timeOf(endpoint.created_at, h)));
  const failing = endpoint.failing_since && h("p", { class: "bad small" }, t("webhooks.failing", { time: ago(endpoint.failing_since) }));
  const actions = h(
    "div",
    { class: "row" },
    isEnabled && button(t("webhooks.test"), () => act(post(`${path}/test`), t("webhooks.tested"), false)),
    isEnabled && button(t("webhooks.replay"), () => act(replay(), replayed, false)),
    button(t(isEnabled ? "webhooks.disable" : "webhooks.enable"), () => act(post(`${path}/${isEnabled ? "disable" : "enable"}`))),
    button(t("webhooks.delete"), erase, { class: "bare danger" }),
  );
  return h("li", {}, line, failing, actions, details);
}

function attemptPart(attempt, reread) {
  const outcome = attempt.status ?? attempt.error ?? "";
  const summary = h(
    "summary",
    { class: "small" },
    h("span", { class: attempt.succeeded ? "good" : "bad" }, String(outcome)),
    ` · ${attempt.type} · ${t("webhooks.attempt", { number: attempt.attempt })} · ${t("webhooks.took", { ms: attempt.latency_ms })} · `,
    timeOf(attempt.at, h),
  );
  const body = h("div", { class: "field" });
  const details = h("details", { ontoggle: () => details.open && !body.childElementCount && fill() }, summary, body);

  async function fill() {
    const message = await get(`v1/webhook_messages/${attempt.message_id}`).catch((error) => ({ error: error.message }));
    body.replaceChildren(
      h("div", { class: "split" }, log(t("webhooks.event"), JSON.stringify(message, null, 2)), log(t("webhooks.answer"), [attempt.error, attempt.answer].filter(Boolean).join("\n") || t("common.none"))),
      h("div", { class: "row" }, button(t("webhooks.resend"), resend)),
    );
  }

  async function resend() {
    try {
      await post(`v1/webhook_messages/${attempt.message_id}/resend`, attempt.endpoint_id ? { endpoint_id: attempt.endpoint_id } : {});
      toast(t("webhooks.resent"));
      await reread();
    } catch (error) {
      complain(error);
    }
  }

  return details;
}

function log(title, text) {
  return h("div", { class: "field" }, h("h3", {}, title), h("pre", { class: "log", tabindex: "0" }, text));
}
