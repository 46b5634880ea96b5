"""Creates, reads, lists, orders, changes and deletes batches for their owners."""
