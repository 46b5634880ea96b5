"""Upkeep: rescue, hints, retention. Never torch."""
