"""Records which jobs use the condition images in the object store, and which images are to be deleted."""
