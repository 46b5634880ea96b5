"""Hints on Celery queues: the message, the queues, the app and the broker transport."""
