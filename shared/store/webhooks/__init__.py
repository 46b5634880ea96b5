"""The outbox: webhook messages, deliveries, attempts, and job manifests."""
