"""Implements `gridpress status`, `ps` and `stop`, which look after a service that runs."""
