// Verifies a recorded webhook with standardwebhooks or svix, whichever the argument names.
import { readFileSync } from 'node:fs';
import { expect, step } from './steps.mjs';

const { Webhook } = await import(process.argv[2]);
const { secret, headers, body } = JSON.parse(readFileSync(process.env.CLIENT_WEBHOOK, 'utf8'));

await step('verify', async () => {
  const event = new Webhook(secret).verify(body, headers); // svix returns nothing
  expect(event === undefined || event.type === 'job.succeeded', `the event is ${JSON.stringify(event)}`);
});
await step('verify, changed body', async () => {
  let accepted = true;
  try {
    new Webhook(secret).verify(body.replace('succeeded', 'failed'), headers);
  } catch {
    accepted = false;
  }
  expect(!accepted, 'a changed body was accepted');
});
