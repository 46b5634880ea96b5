"""The synthetic world that the demonstration model learns: scenes, edits, prompts and drawings."""
