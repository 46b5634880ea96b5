"""Implements the commands that render, list, show, cancel, retry and delete jobs."""
