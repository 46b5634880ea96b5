"""Commands about jobs: render, list, show, cancel, retry, delete."""
