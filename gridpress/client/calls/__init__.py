"""Describes the requests of all calls as values. Sends nothing."""
