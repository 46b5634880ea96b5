"""Supervised processes: start, log, readiness, restart and end."""
