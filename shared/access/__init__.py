"""API keys and limits of tenants, as values. Nothing here does I/O."""
