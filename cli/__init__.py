"""Implements the `gridpress` command, which sends requests to the HTTP API and runs the service on one machine."""
