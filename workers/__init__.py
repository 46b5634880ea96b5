"""The worker processes: AR and DiT stages, batches, prompt enhancement, webhook delivery and upkeep."""
