// The view Account: what the tenant of the session may see and change of itself.

import { complain, h } from "../js/dom.js";
import { get } from "../js/api.js";
import { may } from "../js/rights.js";
import { t } from "../js/words.js";
import { auditPart } from "./audit.js";
import { bucketPart } from "./bucket.js";
import { dataPart } from "./data.js";
import { keysPart } from "./keys.js";
import { limitsPart } from "./limits.js";
import { usagePart } from "./usage.js";

export async function show(place, _, session) {
  const tenant = session.tenant ?? (await ownTenant());
  const isAdmin = may(session, "admin");
  const limits = limitsPart();
  const data = tenant && dataPart(session, tenant);
  const bucket = tenant && bucketPart(session, tenant, { isOwn: true });
  const about = session.access === "open" ? h("p", { class: "notice" }, t("account.open")) : h("p", { class: "quiet" }, t("account.keyMay", { scopes: session.scopes.join(", ") }));
  place.append(
    h("div", { class: "head" }, h("h1", {}, t("account.title")), tenant && h("span", { class: "tag" }, t("account.tenant", { tenant }))),
    about,
    usagePart(),
    ...limits.elements,
  );
  if (isAdmin) place.append(keysPart(session));
  if (tenant) place.append(bucket.element, data.element);
  if (isAdmin) place.append(auditPart({ tenant: tenant ?? "" }));

  return {
    close: () => {
      limits.close();
      data?.close();
      bucket?.close();
    },
  };
}

/** Returns the tenant of an API without keys; null if it can't be read. */
async function ownTenant() {
  try {
    return (await get("v1/limits")).tenant;
  } catch (error) {
    complain(error);
    return null;
  }
}
