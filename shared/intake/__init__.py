"""From the fields of a request to a `JobSpec`, the same for every front door and for batches. Never Flask."""
