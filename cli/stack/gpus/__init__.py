"""Assigns the GPUs of this machine to workers. Only the listing of GPUs loads torch, in a process of its own."""
