"""The batch worker: validates the lines of a batch, turns them into jobs a few at a time, and stores their results.

Uses no torch.
"""
