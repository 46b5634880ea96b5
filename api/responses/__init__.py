"""Helpers for responses that several routes share: waits for jobs, event streams, downloads and lists."""
