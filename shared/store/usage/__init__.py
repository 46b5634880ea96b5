"""Counts what tenants use, by day, API key and quality."""
