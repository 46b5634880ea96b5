"""Defines the errors of the API, and formats their responses in each API format."""
