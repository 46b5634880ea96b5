"""Reads a file of prompts and makes the lines of a batch."""
