"""Jobs: submit, read, list, cancel, retry, delete, watch."""
