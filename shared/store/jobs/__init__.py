"""Submits, reads, lists, cancels, retries, deletes and watches jobs."""
