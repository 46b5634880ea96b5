"""Asks the operator's content hooks whether prompts and pictures are permitted, and stores the verdicts."""
