"""The Redis-backed state: jobs, leases, deliveries. The only store of state."""
