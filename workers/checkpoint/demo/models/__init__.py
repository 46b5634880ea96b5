"""The demonstration model's networks, untrained, and the parts that only training needs."""
