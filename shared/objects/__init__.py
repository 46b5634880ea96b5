"""The object store: an S3 client whose writes are proved."""
