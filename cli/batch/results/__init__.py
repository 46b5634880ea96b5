"""Downloads the pictures of a batch and records the result of each line."""
