"""Stores the tenants' own buckets, and leases the jobs and batches whose pictures are to be copied into them."""
