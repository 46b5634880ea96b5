"""Copies finished pictures into the buckets of their tenants, before the webhook about them is sent."""
