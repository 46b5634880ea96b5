"""Settings of tenants that are not limits."""
