"""The delivery worker: sends signed webhooks and writes job manifests. Uses no torch."""
