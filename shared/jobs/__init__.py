"""Defines jobs, renders, leases and pictures, and the table of their states. Does no I/O."""
