// The cost and the expected wait of what the form asks for, before it is sent.

import { post } from "../js/api.js";
import { h } from "../js/dom.js";
import { duration } from "../js/format.js";
import { t } from "../js/words.js";

const ANY_PICTURE = "data:image/png;base64,iVBORw0KGgo="; // an estimate counts pictures and reads none

/** Returns the line with the estimate. `refresh` asks anew for what `request()` returns. */
export function estimatePart(request) {
  const element = h("p", { class: "quiet small", id: "estimate" });
  let asked = 0;

  async function refresh() {
    const mine = ++asked;
    const { images, ...fields } = request();
    if (!fields.prior && !fields.prompt.trim()) return void (element.textContent = "");
    const body = images ? { ...fields, images: images.map(() => ANY_PICTURE) } : fields;
    try {
      const found = await post("v1/jobs/estimate", body);
      if (mine === asked) element.textContent = sentence(found);
    } catch {
      if (mine === asked) element.textContent = ""; // the form says what is wrong when it is sent
    }
    return undefined;
  }

  return { element, refresh };
}

function sentence({ eta_s: end, start_s: start, position, unserved, pixels }) {
  const cost = t("make.cost", { megapixels: (pixels / 1e6).toFixed(1) });
  if (unserved.length) return `${t("make.unserved")} ${cost}`;
  if (end === null) return `${t("make.estimateUnknown")} · ${cost}`;
  const parts = [t("make.estimate", { time: duration(end) }), cost];
  if (position) parts.push(t("make.ahead", { count: position }));
  if (start > 2) parts.push(t("make.estimateStart", { time: duration(start) }));
  return parts.join(" · ");
}
