"""Records of tenants' files."""
