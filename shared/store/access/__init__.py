"""API keys, limits, rate limits and room of the store."""
