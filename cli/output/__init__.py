"""Formats what the commands print: tables, times and JSON."""
