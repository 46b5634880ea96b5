"""Implements `gridpress eval`, which measures how well pictures spell the quoted text of their prompts."""
