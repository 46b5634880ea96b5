"""Runs tasks on untrusted input in child processes: one task at a time, with limits of memory and time."""
