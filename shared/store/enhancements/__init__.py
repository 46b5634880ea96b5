"""Leases on prompts that wait for enhancement."""
