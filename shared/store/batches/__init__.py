"""Batches for their owners: create, read, list, order, change, delete."""
