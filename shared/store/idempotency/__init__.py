"""Idempotency-Keys, and responses that did not reach their client."""
