"""Saves the state of unfinished renders when a DiT worker drains, so that another worker can continue them."""
