"""Reads a file of prompts and converts it to the lines of a batch."""
