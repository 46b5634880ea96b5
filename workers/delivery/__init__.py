"""Delivery: signed webhooks and job manifests. Never torch."""
