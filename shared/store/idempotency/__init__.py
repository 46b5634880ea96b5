"""Stores requests by their Idempotency-Key, and jobs whose response did not reach the client."""
