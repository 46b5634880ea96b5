"""The engine thread of a worker, one for each device, with its slots, heartbeats, watchdog and drain.

It knows nothing of torch, Celery or Redis.
"""
