"""The upkeep role: recovers renders of workers that died, replaces lost hints (Celery messages that wake workers), and
purges old records.

Uses no torch.
"""
