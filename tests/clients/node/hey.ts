// Uses the client of @hey-api/openapi-ts. It is only checked, never run.
import { createJob, getJob } from './client';

export async function render(prompt: string): Promise<string[]> {
  const { data } = await createJob({ body: { prompt }, throwOnError: true }); // no other field is required
  const { data: job } = await getJob({ path: { job_id: data.id }, headers: { prefer: 'wait=30' }, throwOnError: true });
  return job.images.map((picture) => picture.url ?? '');
}
