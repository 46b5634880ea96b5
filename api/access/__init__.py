"""Routes about what a caller may do: the limits of its tenant, and API keys."""
