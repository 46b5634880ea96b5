"""The Celery consumer of every worker: hints, reconnects, and claims without a hint."""
