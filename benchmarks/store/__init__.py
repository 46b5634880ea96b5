"""Measures what a job, a heartbeat and a look at the queue cost the store, beside many tenants and workers."""
