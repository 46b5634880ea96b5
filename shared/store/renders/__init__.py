"""Leases on renders: claim, heartbeat, result, recovery."""
