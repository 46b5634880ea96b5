"""The embedded servers: Valkey and SeaweedFS out of wheels."""
