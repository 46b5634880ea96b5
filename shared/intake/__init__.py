"""Validates requests and turns them into a `JobSpec`, in the same way for all API formats and for batch lines. Never
imports Flask.
"""
