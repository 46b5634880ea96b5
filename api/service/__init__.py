"""Routes about the service itself: start page, docs, health and load."""
