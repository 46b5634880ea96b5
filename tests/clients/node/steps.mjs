// Reports the calls of a client: one JSON line for each, with the error if it failed. Needs no package.
import { readFileSync } from 'node:fs';

export const url = process.env.GRIDPRESS_URL;
export const key = process.env.GRIDPRESS_API_KEY;
export const picture = process.env.CLIENT_PICTURE;
export const size = '256x256';
export const prompt = 'a red kite over the sea';

const longest = 400; // characters of an error; enough for the message of an HTTP error
const magic = ['89504e47', 'ffd8ff', '52494646']; // PNG, JPEG, WebP

// `cannot` is the reason why a call can't work; its failure does not fail the run.
export async function step(call, body, cannot = null) {
  let error = null;
  try {
    await body();
  } catch (thrown) {
    error = `${thrown.name}: ${thrown.message}`.slice(0, longest);
  }
  console.log(JSON.stringify({ call, error, cannot }));
}

export function expect(isTrue, what) {
  if (!isTrue) throw new Error(what);
}

export function checkPicture(bytes) {
  const start = Buffer.from(bytes).subarray(0, 8).toString('hex');
  expect(magic.some((first) => start.startsWith(first)), `no picture: ${start}`);
}

export function checkBase64(text) {
  expect(text, 'no b64_json');
  checkPicture(Buffer.from(text, 'base64'));
}

// Downloads the picture behind a link of a response, without an API key, as a browser would.
export async function checkLink(link) {
  expect(link, 'no url');
  const response = await fetch(link);
  expect(response.ok, `the link gives ${response.status}`);
  checkPicture(await response.arrayBuffer());
}

export const pictureBytes = () => readFileSync(picture);
