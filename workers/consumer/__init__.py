"""The Celery consumer of every worker: receives hints (messages that wake workers), reconnects to the broker, and looks
for work by itself while no hints arrive.
"""
