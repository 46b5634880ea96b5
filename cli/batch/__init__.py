"""Implements `gridpress batch`, which renders many pictures from one file of prompts, and `gridpress files`."""
