"""What the API costs: connections that it holds."""
