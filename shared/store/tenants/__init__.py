"""Stores how long a tenant's jobs are kept, and the erasure of all data of a tenant."""
