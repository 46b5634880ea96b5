"""Hints on Celery queues: the message, the queues and the broker transport."""
