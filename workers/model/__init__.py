"""Which model a worker serves, and what this machine can do with it."""
