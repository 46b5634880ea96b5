"""One stream of the events of all jobs of a tenant."""
