"""Routes about the data of a tenant: how long it is kept, and its erasure."""
