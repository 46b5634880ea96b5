"""Runs published clients, unmodified, against a real service on loopback: `make test-clients`. Not in `make test`."""
