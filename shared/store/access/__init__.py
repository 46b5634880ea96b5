"""Stores API keys and tenants' limits, counts rate limits, and decides whether the store has room for more jobs."""
