"""Reads the text in pictures and compares it with the text that a prompt puts in quotation marks."""
