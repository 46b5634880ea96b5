"""Code that every process needs: start, logs, background threads, readiness and shared limits."""
