"""Clients' connections: reading with limits, parsing heads, closing connections under load."""
