"""`gridpress admin`: acts of a tenant's administrator and of the operator, over the HTTP API."""
