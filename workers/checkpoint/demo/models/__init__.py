"""The untrained networks of the demonstration model, and the modules that only training needs."""
