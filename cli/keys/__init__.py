"""`gridpress keys`: API keys and limits of tenants."""
