// Reads the pictures of the gallery page by page, and adds new ones as they are made.

import { get, withQuery } from "../js/api.js";

const PAGE = 100; // jobs

/** Reads pictures that pass `filters`. `onChange()` is called when there are more, or when reading begins or ends. */
export class PictureSource {
  constructor(filters, onChange) {
    this.items = [];
    this.isComplete = false;
    this.isReading = false;
    this.error = null;
    this.filters = filters;
    this.onChange = onChange;
    this.after = null;
    this.known = new Set();
  }

  /**
   * Reads the next page, unless a page is being read or there is none. A page of a search may be empty.
   * After an error it reads only if a person asks for it.
   */
  async more({ isAsked = false } = {}) {
    if (this.isReading || this.isComplete || (this.error && !isAsked)) return;
    this.isReading = true;
    this.error = null;
    try {
      const page = await get(withQuery("v1/jobs", { ...this.query, limit: PAGE, after: this.after }));
      this.items = [...this.items, ...this.picturesOf(page.data)];
      this.after = page.next;
      this.isComplete = !page.has_more;
    } catch (error) {
      this.error = error;
    }
    this.isReading = false;
    this.onChange();
  }

  /** Reads the newest page again and puts what is new in front. */
  async renew() {
    try {
      const page = await get(withQuery("v1/jobs", { ...this.query, limit: PAGE }));
      const fresh = this.picturesOf(page.data);
      if (!fresh.length) return;
      this.items = [...fresh, ...this.items];
      this.onChange();
    } catch {
      // The next event tries again.
    }
  }

  /** Takes out all pictures of a deleted job. */
  forget(id) {
    this.items = this.items.filter((item) => item.id !== id);
    this.onChange();
  }

  get query() {
    const { show, from, until, ...rest } = this.filters;
    const statuses = { pictures: undefined, unfinished: "queued,running" };
    return {
      ...rest,
      status: show in statuses ? statuses[show] : show,
      created_after: from && new Date(`${from}T00:00:00`).toISOString(),
      created_before: until && new Date(Date.parse(`${until}T00:00:00`) + 24 * 3600 * 1000).toISOString(),
    };
  }

  /** Returns the pictures of jobs that are not known yet. Only pictures that exist, unless others are asked for. */
  picturesOf(jobs) {
    const found = [];
    for (const job of jobs) {
      for (const image of job.images) {
        const key = `${job.id}/${image.index}`;
        const hasPicture = Boolean(image.url);
        if (this.known.has(key) || (this.filters.show === "pictures" && !hasPicture)) continue;
        this.known.add(key);
        found.push({ id: job.id, index: image.index, prompt: job.prompt, status: image.status, hasPicture });
      }
    }
    return found;
  }
}
