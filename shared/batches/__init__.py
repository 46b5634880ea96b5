"""Batches as values, and the estimate of their end. Nothing here does I/O."""
