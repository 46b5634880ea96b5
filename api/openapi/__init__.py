"""Builds the OpenAPI 3.1 document. Its paths are the app's routes, and its schemas the models that validate."""
