"""Runs the embedded servers Valkey and SeaweedFS, which are installed from wheels."""
