// The view Operate, for the scope operator: workers, pauses, tenants, and the audit log. `#operate/NAME` is one tenant.

import { h } from "../js/dom.js";
import { may } from "../js/rights.js";
import { t } from "../js/words.js";
import { auditPart } from "../account/audit.js";
import { usagePart } from "../account/usage.js";
import { fleetPart } from "./fleet.js";
import { pausesPart } from "./pauses.js";
import { tenantPage } from "./tenant.js";
import { tenantsPart } from "./tenants.js";

export async function show(place, rest, session) {
  let close = opened(rest);

  function opened([name]) {
    place.replaceChildren();
    window.scrollTo(0, 0);
    return name ? tenantPage(place, name, session) : overview();
  }

  function overview() {
    const fleet = fleetPart(session);
    const pauses = pausesPart(session);
    place.append(
      h("div", { class: "head" }, h("h1", {}, t("operate.title"))),
      h("p", { class: "quiet" }, t("operate.about")),
      may(session, "admin") ? "" : h("p", { class: "notice" }, t("operate.readOnly")),
      fleet.element,
      pauses.element,
      usagePart({ all_tenants: true }),
      tenantsPart(),
      auditPart({ canFilter: true }),
    );
    return () => {
      fleet.close();
      pauses.close();
    };
  }

  return {
    close: () => close(),
    update: (now) => {
      close();
      close = opened(now);
    },
  };
}
