"""The two guidance branches of a denoise step on two devices: a second process computes the unconditional one."""
