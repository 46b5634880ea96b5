"""The processes that do the work: AR and DiT stages, delivery, upkeep."""
