// Calls the API. The session is a cookie that this page can't read; the browser sends it.

import { t } from "./words.js";

const root = new URL("../../", import.meta.url);

/** Returns the address of a path of the API, such as `v1/jobs`, whatever the host and the prefix are. */
export function address(path) {
  return new URL(path, root).href;
}

/** An error response of the API, or a network that failed. `field` is the field of the request that is wrong. */
export class Fault extends Error {
  constructor(message, { status = 0, code = "unreachable", field = null } = {}) {
    super(message);
    Object.assign(this, { status, code, field });
  }
}

/** Sends a request and returns the JSON of its response. Raises `Fault`. `body` is sent as JSON unless it is a form. */
export async function call(method, path, body, fields = {}) {
  const headers = { Accept: "application/json", ...fields };
  if (method !== "GET") headers["Gridpress-Studio"] = "1";
  if (body !== undefined && !(body instanceof FormData)) headers["Content-Type"] = "application/json";
  const sent = body === undefined || body instanceof FormData ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(address(path), { method, headers, body: sent, cache: "no-store" });
  } catch {
    throw new Fault(t("common.unreachable"));
  }
  if (!response.ok) throw await faultOf(response);
  return response.status === 204 ? null : response.json();
}

export const get = (path) => call("GET", path);
export const post = (path, body, fields) => call("POST", path, body, fields);
export const remove = (path) => call("DELETE", path);

/** Returns a path with a query. Values that are empty are left out, and lists repeat their name. */
export function withQuery(path, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") query.append(name, each);
    }
  }
  return query.size ? `${path}?${query}` : path;
}

/** Returns the address of a picture's thumbnail. `size` is 128, 256 or 512. */
export function thumbnail(job, index, size = 256) {
  return address(`v1/jobs/${job}/images/${index}?size=${size}`);
}

/** Returns the address of a picture, whose bytes the API sends itself. */
export function original(job, index) {
  return address(`v1/jobs/${job}/images/${index}?size=original`);
}

/** Returns the address of a condition image of a job, as both stages read it. */
export function input(job, index) {
  return address(`v1/jobs/${job}/inputs/${index}?size=original`);
}

/** Returns the picture at an address of the API as a data URL, for a request that edits it. */
export async function pictureAsData(url) {
  const response = await fetch(url, { cache: "no-store" });
  if (!response.ok) throw await faultOf(response);
  return dataUrl(await response.blob());
}

export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

async function faultOf(response) {
  const told = await response.json().catch(() => ({}));
  const { detail, message, code, field, param } = told.error ?? told;
  if (response.status === 401) window.dispatchEvent(new Event("signed-out"));
  const text = detail ?? message ?? `${response.status} ${response.statusText}`;
  return new Fault(text, { status: response.status, code, field: field ?? param ?? null });
}
