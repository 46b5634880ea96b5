"""Defines batches and their lines, and estimates when a batch ends. Does no I/O."""
