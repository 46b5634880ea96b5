"""Copies the store to a backup while the service runs, and fills an empty store from one."""
