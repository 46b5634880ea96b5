// The lines of curl, Python and OpenAI's client that ask for the same picture.

import { address } from "../js/api.js";
import { button, copy, h } from "../js/dom.js";
import { t } from "../js/words.js";

const KINDS = ["curl", "python", "openai"];
const DATA = /^data:image\/(\w+).*/;

/** Returns the part with the code. `request()` returns the request as it is now; `needsKey` adds the API key. */
export function codePart(request, needsKey) {
  let kind = KINDS[0];
  const shown = h("pre", { tabindex: "0" });
  const choices = KINDS.map((each) =>
    h("label", {}, h("input", { type: "radio", name: "code", value: each, checked: each === kind, onchange: () => show(each) }), h("span", {}, t(`make.${each}`))),
  );
  const openaiChoice = choices.at(-1);
  const top = h("div", { class: "row" }, h("div", { class: "segments", role: "radiogroup", "aria-label": t("make.code") }, choices), button(t("common.copy"), () => copy(shown.textContent), { class: "bare", glyph: "copy" }));
  const element = h("details", { class: "code", ontoggle: refresh }, h("summary", {}, t("make.code")), top, shown);

  function show(wanted) {
    kind = wanted;
    refresh();
  }

  function refresh() {
    if (!element.open) return;
    const asked = readable(request());
    openaiChoice.hidden = "prior" in asked; // OpenAI's format has no grids of earlier pictures
    if (openaiChoice.hidden && kind === "openai") kind = KINDS[0];
    shown.textContent = codeOf(kind, asked, needsKey);
  }

  return { element, refresh };
}

/** Returns the code of a kind for a request. */
export function codeOf(kind, request, needsKey) {
  return { curl, python, openai }[kind](request, needsKey);
}

/** Returns the request with names of files in place of pictures, which would be pages of base64. */
function readable(request) {
  if (!request.images?.length) return request;
  const images = request.images.map((image, place) => image.replace(DATA, (_, type) => `picture-${place + 1}.${type}`));
  return { ...request, images };
}

function curl({ images, ...fields }, needsKey) {
  const key = needsKey ? ' \\\n  -H "authorization: Bearer $GRIDPRESS_API_KEY"' : "";
  const json = JSON.stringify(fields, null, 2).replaceAll("'", "'\\''");
  if (!images) return `curl -s ${address("v1/jobs")}${key} \\\n  -H 'content-type: application/json' -d '${json}'\n`;
  const files = images.map((name) => ` \\\n  -F images=@${name}`).join("");
  return `curl -s ${address("v1/jobs")}${key} \\\n  -F 'request=${json}'${files}\n`;
}

function python({ images, ...fields }, needsKey) {
  const key = needsKey ? ', headers={"Authorization": f"Bearer {os.environ[\'GRIDPRESS_API_KEY\']}"}' : "";
  const body = images
    ? `data={"request": json.dumps(request)}, files=[${images.map((name) => `("images", open("${name}", "rb"))`).join(", ")}]`
    : "json=request";
  const imports = [...(needsKey ? ["import os"] : []), ...(images ? ["import json"] : [])].join("\n");
  return `${imports ? `${imports}\n` : ""}from pathlib import Path

import httpx

request = ${literal(fields)}
api = httpx.Client(base_url="${address("")}", timeout=120${key})
job = api.post("v1/jobs", ${body}).raise_for_status().json()
while job["status"] in ("queued", "running"):
    job = api.get(f"v1/jobs/{job['id']}", headers={"Prefer": "wait=30"}).raise_for_status().json()
for image in job["images"]:
    picture = api.get(f"v1/jobs/{job['id']}/images/{image['index']}", follow_redirects=True).raise_for_status()
    Path(f"picture-{image['index']}.${fields.output_format ?? "png"}").write_bytes(picture.content)
`;
}

function openai({ model, images, prompt, size, n, quality, output_format: format, partial_images: _, ...rest }, needsKey) {
  const key = needsKey ? 'os.environ["GRIDPRESS_API_KEY"]' : '"none"';
  const given = [["model", model], ["prompt", prompt], ["size", size], ["n", n], ["quality", quality], ["output_format", format]];
  const values = given.filter(([, value]) => value !== undefined).map(([name, value]) => `    ${name}=${literal(value)},`);
  const pictures = images ? [`    image=[${images.map((name) => `open("${name}", "rb")`).join(", ")}],`] : [];
  const own = Object.entries(rest).map(([name, value]) => `${JSON.stringify(name)}: ${literal(value, true)}`);
  return `import base64
${needsKey ? "import os\n" : ""}from pathlib import Path

from openai import OpenAI

client = OpenAI(base_url="${address("v1")}", api_key=${key})
result = client.images.${images ? "edit" : "generate"}(
${[...pictures, ...values].join("\n")}
    response_format="b64_json",
    extra_body={${own.join(", ")}},
)
for number, picture in enumerate(result.data):
    Path(f"picture-{number}.${format ?? "png"}").write_bytes(base64.b64decode(picture.b64_json))
`;
}

/** Returns a value as Python writes it. JSON differs only in its names for true, false and null. An object has a line for each entry, unless it is inside another. */
function literal(value, isInside = false) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map((each) => literal(each, true)).join(", ")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each, true)}`);
    return isInside ? `{${entries.join(", ")}}` : `{\n${entries.map((entry) => `    ${entry},`).join("\n")}\n}`;
  }
  return JSON.stringify(value);
}
