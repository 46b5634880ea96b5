"""Runs the whole service on one machine: the embedded servers, and the processes of all roles under a supervisor."""
