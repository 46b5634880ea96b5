// Turns a file of prompts (JSON lines, CSV or plain text) into the JSON lines of a batch.

import { t } from "../js/words.js";
import { quotesWords } from "../make/text_check.js";

const URL_OF_LINES = "/v1/jobs";
const KNOWN_URLS = new Set(["/v1/jobs", "/v1/images/generations", "/v1/images/edits"]);

/**
 * Returns { text, endpoint, isQuoting }: the lines for `POST /v1/files`, the route that they are for, and whether a
 * prompt quotes words. With `textCheck`, lines that quote words and have no text check get it. Raises `Error`.
 */
export function linesOf(name, content, textCheck = null) {
  const text = content.replace(/^\ufeff/, "");
  if (text.includes("\ufffd")) throw new Error(t("batches.notUtf8"));
  const rows = /\.jsonl?$|\.ndjson$/i.test(name) || /^\s*\{/.test(text) ? fromJson(text) : /\.csv$/i.test(name) ? fromCsv(text) : fromText(text);
  if (!rows.lines.length) throw new Error(t("batches.emptyFile"));
  const lines = textCheck ? rows.lines.map((line) => withCheck(line, textCheck)) : rows.lines;
  return { text: `${lines.join("\n")}\n`, endpoint: rows.endpoint, isQuoting: rows.lines.some((line) => isQuoting(parsed(line))) };
}

function withCheck(line, textCheck) {
  const asked = parsed(line);
  if (!isQuoting(asked) || "text_check" in asked.body) return line;
  return JSON.stringify({ ...asked, body: { ...asked.body, text_check: textCheck } });
}

function isQuoting(asked) {
  return typeof asked?.body?.prompt === "string" && quotesWords(asked.body.prompt);
}

/** Lines that are requests already stay as they are. Other objects are the fields of a job. */
function fromJson(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const first = parsed(lines[0]);
  if (first && "body" in first) return { lines, endpoint: KNOWN_URLS.has(first.url) ? first.url : URL_OF_LINES };
  return {
    lines: lines.map((line, place) => {
      const fields = parsed(line);
      return fields && !Array.isArray(fields) ? request(fields, place) : line; // the check says what is wrong with it
    }),
    endpoint: URL_OF_LINES,
  };
}

function fromText(text) {
  const prompts = text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
  return { lines: prompts.map((prompt, place) => request({ prompt }, place)), endpoint: URL_OF_LINES };
}

function fromCsv(text) {
  const [header = [], ...rows] = csvRows(text);
  const names = header.map((name) => name.trim());
  if (!names.includes("prompt")) throw new Error(t("batches.noPromptColumn"));
  const lines = rows.map((row, place) => {
    const cells = names.map((name, column) => [name, (row[column] ?? "").trim()]).filter(([, cell]) => cell !== "");
    return request(Object.fromEntries(cells.map(([name, cell]) => [name, valueOf(name, cell)])), place);
  });
  return { lines, endpoint: URL_OF_LINES };
}

function request({ custom_id: given, name, ...body }, place) {
  return JSON.stringify({ custom_id: String(given ?? name ?? `line-${place + 1}`), method: "POST", url: URL_OF_LINES, body });
}

/** Text stays text where the field is text. Other cells are JSON, such as numbers and true. */
function valueOf(name, cell) {
  if (["prompt", "size", "custom_id", "name", "quality", "output_format"].includes(name)) return cell;
  return parsed(cell) ?? cell;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Returns the rows of a CSV text, as RFC 4180 has it. Blank rows are left out. */
export function csvRows(text) {
  const rows = [];
  let [row, cell, isQuoted] = [[], "", false];
  const endRow = () => {
    row.push(cell);
    if (row.some((each) => each.trim())) rows.push(row);
    [row, cell] = [[], ""];
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (isQuoted && char === '"' && text[at + 1] === '"') {
      cell += '"';
      at++;
    } else if (char === '"' && (isQuoted || cell === "")) {
      isQuoted = !isQuoted;
    } else if (!isQuoted && char === ",") {
      row.push(cell);
      cell = "";
    } else if (!isQuoted && (char === "\n" || char === "\r")) {
      if (char === "\r" && text[at + 1] === "\n") at++;
      endRow();
    } else {
      cell += char;
    }
  }
  endRow();
  return rows;
}
