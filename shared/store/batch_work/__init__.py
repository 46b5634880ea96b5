"""Leases batches to batch workers, and commits the steps of their work."""
