"""Builds the bodies that clients receive. Has the schemas of jobs, batches and files, and OpenAI's image response."""
