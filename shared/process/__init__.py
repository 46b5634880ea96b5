"""What every process needs: start, logs, threads, readiness."""
