"""Finished pictures and previews: encodes them and writes them to the object store."""
