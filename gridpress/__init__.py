"""Holds what programs import from Gridpress: `gridpress.client`, the Python client of the HTTP API."""
