"""Routes and OpenAPI entries of dead letters, which are renders that failed because they crashed their workers."""
