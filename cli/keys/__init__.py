"""Implements `gridpress keys`, which manages API keys and the limits of tenants."""
