"""One engine thread per device. Knows nothing of torch, Celery or Redis."""
