"""What wraps every request: identification, authentication, limits, idempotency, counting."""
