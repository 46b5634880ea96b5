// Switches between the system's theme, light and dark. The choice stays in this browser.

import { iconButton, toast } from "./dom.js";
import { t } from "./words.js";

const ORDER = ["system", "light", "dark"];
const KEPT = "gridpress.theme";

export function themeButton() {
  const shown = iconButton("", "sun", next);
  label();
  return shown;

  function current() {
    return document.documentElement.dataset.theme ?? "system";
  }

  function label() {
    const text = `${t("theme.label")}: ${t(`theme.${current()}`)}`;
    shown.setAttribute("aria-label", text);
    shown.title = text;
  }

  function next() {
    const theme = ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length];
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEPT, theme);
    } catch {
      // Storage is forbidden: the choice lasts until the page is closed.
    }
    label();
    toast(`${t("theme.label")}: ${t(`theme.${theme}`)}`);
  }
}
