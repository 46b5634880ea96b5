"""Stores webhook messages with their deliveries and attempts, and leases jobs whose manifest is to be written."""
