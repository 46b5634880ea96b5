"""The object store: an S3 client that verifies its writes."""
