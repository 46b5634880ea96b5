// The AI SDK with both of its providers that take a base URL.
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateImage } from 'ai';
import { checkPicture, expect, key, pictureBytes, prompt, size, step, url } from './steps.mjs';

const server = { baseURL: `${url}/v1`, apiKey: key };
const openai = createOpenAI(server);
const compatible = createOpenAICompatible({ name: 'gridpress', ...server });

async function check(asked) {
  const { image } = await generateImage({ prompt, size, ...asked });
  checkPicture(image.uint8Array);
}

const guarded =
  'the answer is a link for such a name, and this provider downloads none from a private address. ' +
  "Use the model's own name";

for (const name of ['zai-org/GLM-Image', 'gpt-image-1']) {
  await step(`openai, ${name}`, () => check({ model: openai.image(name) }));
  await step(`openai-compatible, ${name}`, () => check({ model: compatible.imageModel(name) }));
}
await step('openai, dall-e-3', () => check({ model: openai.image('dall-e-3') }));
await step('openai-compatible, dall-e-3', () => check({ model: compatible.imageModel('dall-e-3') }), guarded);
await step('openai, edit', () =>
  check({ model: openai.image('gpt-image-1'), prompt: { text: prompt, images: [pictureBytes()] } }));
await step('openai-compatible, edit', () =>
  check({ model: compatible.imageModel('zai-org/GLM-Image'), prompt: { text: prompt, images: [pictureBytes()] } }));
await step('error', async () => {
  const error = await check({ model: openai.image('zai-org/GLM-Image'), size: '7x7' }).catch((thrown) => thrown);
  expect(error?.message?.includes('size'), `the error is ${error?.message}`);
});
