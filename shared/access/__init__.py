"""Defines API keys, and the quotas and rate limits of tenants. Does no I/O."""
