// Asks for an API key and begins a session with it.

import { post } from "./api.js";
import { h } from "./dom.js";
import { t } from "./words.js";

/** Shows the form in `place` until a key was accepted. Returns the session. */
export function signIn(place) {
  return new Promise((resolve) => {
    const key = h("input", { type: "password", id: "key", autocomplete: "off", required: true, spellcheck: "false", placeholder: t("session.placeholder"), "aria-describedby": "why" });
    const why = h("p", { class: "fault bad", id: "why", role: "alert" });
    const enter = h("button", { class: "main" }, t("session.enter"));

    async function send(event) {
      event.preventDefault();
      enter.disabled = true;
      try {
        resolve(await post("v1/session", undefined, { Authorization: `Bearer ${key.value.trim()}` }));
      } catch (error) {
        why.textContent = error.message;
        key.setAttribute("aria-invalid", "true");
        key.focus();
      } finally {
        enter.disabled = false;
      }
    }

    const field = h("div", { class: "field" }, h("label", { for: "key" }, t("session.key")), key, why);
    const form = h("form", { class: "card sign-in", onsubmit: send }, h("h1", {}, t("session.title")), h("p", { class: "quiet" }, t("session.about")), field, enter);
    place.replaceChildren(h("main", {}, form));
    key.focus();
  });
}
