"""Hooks around every request: request ids, authentication, rate limits, idempotency, logging and metrics."""
