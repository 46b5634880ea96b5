// Keeps the form of Make over a reload: its texts in the session storage of the tab, its pictures in IndexedDB.
// What is kept belongs to one tenant. Signing out drops it, and so does another tenant that signs in.

const KEPT = "gridpress.make";
const TAB = "gridpress.tab";
const [DATABASE, STORE] = ["gridpress", "forms"];
const KEPT_MS = 12 * 3600 * 1000; // as long as a session

let isForgotten = false;

/** Returns the fields that this tab kept for a tenant; null if there are none. Drops those of another tenant. */
export function keptFields(tenant) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    if (kept && kept.tenant === tenant) return kept.fields;
    sessionStorage.removeItem(KEPT);
  } catch {
    // Storage is forbidden, or another release wrote it: the form is empty.
  }
  return null;
}

export function keepFields(tenant, fields) {
  if (isForgotten) return;
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ tenant, fields }));
  } catch {
    // Storage is forbidden: the form is empty after a reload.
  }
}

/** Returns the pictures (data URLs) that this tab kept for a tenant. Drops those of other tenants, and old ones. */
export async function keptImages(tenant) {
  try {
    const forms = await opened();
    const [keys, found] = await Promise.all([answer(forms.getAllKeys()), answer(forms.getAll())]);
    const isStale = (form) => form.tenant !== tenant || Date.now() - form.at > KEPT_MS;
    found.forEach((form, place) => isStale(form) && forms.delete(keys[place]));
    const mine = found[keys.indexOf(tab())];
    return mine && !isStale(mine) ? mine.images : [];
  } catch {
    return []; // the browser keeps no data, for example in a private window
  }
}

export async function keepImages(tenant, images) {
  if (isForgotten) return;
  try {
    const forms = await opened();
    await answer(images.length ? forms.put({ tenant, images, at: Date.now() }, tab()) : forms.delete(tab()));
  } catch {
    // The browser keeps no data, or has no room: a reload forgets the pictures.
  }
}

/** Drops everything that any tab of this browser kept, and keeps nothing more until the page is loaded again. */
export async function forgetForms() {
  isForgotten = true;
  try {
    sessionStorage.removeItem(KEPT);
    await answer((await opened()).clear());
  } catch {
    // Nothing can have been kept.
  }
}

/** Returns the name of this tab, which a reload keeps. Each tab has a form of its own. */
function tab() {
  const name = sessionStorage.getItem(TAB) ?? String(Math.random());
  sessionStorage.setItem(TAB, name);
  return name;
}

async function opened() {
  const request = indexedDB.open(DATABASE, 1);
  request.addEventListener("upgradeneeded", () => request.result.createObjectStore(STORE));
  const database = await answer(request);
  const work = database.transaction(STORE, "readwrite");
  for (const end of ["complete", "abort"]) work.addEventListener(end, () => database.close());
  return work.objectStore(STORE);
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}
