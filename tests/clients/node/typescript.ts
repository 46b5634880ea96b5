// Uses the types of openapi-typescript with openapi-fetch. It is only checked, never run.
import createClient from 'openapi-fetch';
import type { paths } from './schema';

const client = createClient<paths>({ baseUrl: 'http://127.0.0.1:8000' });

export async function render(prompt: string): Promise<string[]> {
  const { data, error } = await client.POST('/v1/jobs', { body: { prompt } }); // no other field is required
  if (error) throw new Error(error.detail);
  const path = { job_id: data.id };
  const { data: job } = await client.GET('/v1/jobs/{job_id}', { params: { path, header: { Prefer: 'wait=30' } } });
  return (job?.images ?? []).map((picture) => picture.url ?? '');
}
