"""Runs the two branches of classifier-free guidance in a denoise step on two devices.

A second process, the helper, computes the unconditional branch.
"""
