"""Downloads the pictures of a batch and records what became of each line."""
