// openai for Node. The argument names the installed package: openai, or openai-6 for the older major release.
import { createReadStream } from 'node:fs';
import { checkBase64, checkLink, expect, key, picture, prompt, size, step, url } from './steps.mjs';

const { default: OpenAI, toFile } = await import(process.argv[2]);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, timeout: 60_000 });

await step('models', async () => {
  const { data } = await client.models.list();
  expect((await client.models.retrieve(data[0].id)).id === data[0].id, 'the first model cannot be retrieved');
});
await step('generate', async () => checkBase64((await client.images.generate({ prompt, size })).data[0].b64_json));
await step('generate, dall-e-3', async () => {
  const asked = { model: 'dall-e-3', prompt, size: '1024x1024', quality: 'standard', style: 'vivid', n: 1 };
  await checkLink((await client.images.generate(asked)).data[0].url);
});
await step('edit', async () => {
  const image = await toFile(createReadStream(picture), 'circle.png', { type: 'image/png' });
  checkBase64((await client.images.edit({ image, prompt, size })).data[0].b64_json);
});
await step('stream', async () => {
  const types = [];
  for await (const event of await client.images.generate({ prompt, size, stream: true, partial_images: 1 })) {
    types.push(event.type);
  }
  expect(types.at(-1) === 'image_generation.completed', `the events were ${types}`);
});
await step('error', async () => {
  const error = await client.images.generate({ prompt, size: '7x7' }).catch((thrown) => thrown);
  expect(error.status === 400 && error.message.includes('size'), `the error is ${error.message}`);
});
await step('error of an unknown route', async () => {
  const messages = [{ role: 'user', content: 'hello' }];
  const error = await client.chat.completions.create({ model: 'gpt-4', messages }).catch((thrown) => thrown);
  expect(error.status === 404 && !error.message.includes('no body'), `the error is ${error.message}`);
});
