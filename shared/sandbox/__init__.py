"""Runs tasks on untrusted input in child processes, one task at a time, with limits on memory and time."""
