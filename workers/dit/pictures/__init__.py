"""Finished pictures and previews: encoding, and writing them to the object store."""
