"""What batches cost: to take in, to keep waiting, to render, and what they cost those who share the service."""
