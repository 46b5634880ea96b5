"""Leases jobs to the workers that enhance prompts."""
