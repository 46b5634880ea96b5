// Finds the words of the studio, which are in the folder `words`. Another language is other tables of the same shape.

import { account } from "../words/account.js";
import { frame } from "../words/frame.js";
import { gallery } from "../words/gallery.js";
import { lists } from "../words/lists.js";
import { make } from "../words/make.js";
import { operate } from "../words/operate.js";

const words = { ...frame, ...make, ...gallery, ...lists, ...account, ...operate };

function found(path) {
  return path.split(".").reduce((node, name) => node?.[name], words);
}

/** Returns the text at a path such as `make.send`. With `count`, the form for that number. `{name}` is filled in. */
export function t(path, values = {}) {
  let text = found(path);
  if (text && typeof text === "object") {
    const form = values.count === 0 && text.zero ? "zero" : new Intl.PluralRules("en").select(values.count);
    text = text[form] ?? text.other;
  }
  if (typeof text !== "string") return path;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Returns the word for a status, or the status itself. */
export function statusWord(status) {
  return words.status[status] ?? status;
}
