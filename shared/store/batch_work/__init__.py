"""Leases on batches, and the steps that batch workers commit."""
